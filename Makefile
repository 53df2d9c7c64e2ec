# SPDX-License-Identifier: GPL-2.0
#
# make                   build tunnel/tunnel.ko and ipip/ipip.ko for this kernel
# make KDIR=DIR          ... for the kernel whose headers or tree are in DIR
# make KDIR=DIR ARCH=um  ... for a user-mode Linux tree
# make tools             build build/link_tunl.so, kind tunl for this host's ip-link(8)
# make install           the modules beside the kernel's own, programs and manual pages
#                        below PREFIX=/usr/local, link_tunl.so where ip looks for it;
#                        nothing is loaded. INSTALL_MOD_PATH=DIR: modules below DIR;
#                        DESTDIR=DIR: everything
# make uninstall         take them away again
# make install-dkms      the sources where dkms looks for them, for `dkms install tunl/VERSION`
# make deb               a Debian package that does it, in build/deb
# make demo, make check  the two commands of the README
# make bench             measure, against the kernel's own; into docs/performance.md
# make pictures          docs/pictures/*.svg, from their sources there

ifneq ($(words $(CURDIR)),1)
$(error the path of this folder, $(CURDIR), has a blank in it, which kbuild cannot work with: move the folder)
endif

KDIR ?= /lib/modules/$(shell uname -r)/build
PREFIX ?= /usr/local
INSTALL_MOD_PATH ?= $(DESTDIR)

VERSION := $(shell sed -n 's/^\#define TUNL_VERSION "\(.*\)"/\1/p' $(CURDIR)/include/tunl.h)
# not include/config/kernel.release: in Debian's headers that is another
RELEASE = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
MODULES = $(INSTALL_MOD_PATH)/lib/modules/$(RELEASE)
# what a person runs once the modules are there
PROGRAMS = $(wildcard scripts/tunl-doctor scripts/ghost-host)
COMPLETION = $(wildcard scripts/completion/*)
PAGES4 = $(wildcard man/*.4)
PAGES8 = $(wildcard man/*.8)
SBIN = $(DESTDIR)$(PREFIX)/sbin
MAN = $(DESTDIR)$(PREFIX)/share/man
COMPLETIONS = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
SRC = $(DESTDIR)/usr/src/tunl-$(VERSION)
# the series that they are tried on, from Debian's suites
KERNELS = $(shell awk '!/^\#/ && $$2 != "source" { print $$3 }' scripts/kernel.table | sort -uV | paste -sd ' ')
# who becomes root by su has no depmod in his path
export PATH := $(PATH):/usr/sbin:/sbin

# What link_tunl.so is built for, and where that ip looks for it: an option of its build,
# which is nowhere but in the program.
CFLAGS ?= -O2
IP_VERSION = $(shell PATH="$(PATH)"; ip -V 2>/dev/null | sed -n 's/.*iproute2-\([0-9]*\.[0-9]*\).*/\1/p')
IP_LIB = $(shell PATH="$(PATH)"; grep -azxE '/[a-z0-9_/.-]*lib[a-z0-9_/.-]*/ip' "$$(command -v ip)" 2>/dev/null | tr '\0' '\n' | head -n 1)

.DEFAULT_GOAL := modules

modules: headers
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

# Always: ip may be another one than the last time.
tools:
	@test -n "$(IP_VERSION)" || { echo "make: link_tunl.so is for ip of iproute2, which is not here" >&2; exit 1; }
	@mkdir -p build
	$(CC) $(CPPFLAGS) $(CFLAGS) -Wall -Wextra -fPIC -DTUNL_IPROUTE2='"$(IP_VERSION)"' \
		-shared -Wl,-z,lazy $(LDFLAGS) -o build/link_tunl.so scripts/link_tunl.c

clean: headers
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean
	rm -f build/link_tunl.so

# depmod only where there is a kernel: among ours alone its lists would say that
# there are no other modules.
depmod = if test -e $(MODULES)/modules.builtin; then \
		depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(RELEASE); \
	else \
		echo "make: no kernel in $(MODULES): run depmod $(RELEASE) where this goes to"; \
	fi

# Who has built his kernel has the key it was built with. Elsewhere kbuild would fail
# to sign, with words, and go on.
no_key = $(if $(wildcard $(KDIR)/certs/signing_key.pem),,CONFIG_MODULE_SIG_ALL=)

# The modules do not need link_tunl.so: where it cannot be built, there is no more to say.
install: install-modules install-programs
	@$(MAKE) install-tools || echo "make: link_tunl.so is left out: ip -d link will not show what kind tunl has"

install-modules: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_PATH=$(INSTALL_MOD_PATH) \
		INSTALL_MOD_DIR=updates DEPMOD=true $(no_key) modules_install
	@$(depmod)

install-programs:
	$(if $(PROGRAMS),install -D -t $(SBIN) $(PROGRAMS))
	$(if $(PROGRAMS),sed -i 's/#MODULE_VERSION#/$(VERSION)/' $(PROGRAMS:scripts/%=$(SBIN)/%))
	install -D -m 644 -t $(MAN)/man4 $(PAGES4)
	$(if $(PAGES8),install -D -m 644 -t $(MAN)/man8 $(PAGES8))
	$(if $(COMPLETION),install -D -m 644 -t $(COMPLETIONS) $(COMPLETION))

install-tools: tools
	@test -n "$(IP_LIB)" || { echo "make: this ip names no folder for link_tunl.so" >&2; exit 1; }
	install -D -m 644 -t $(DESTDIR)$(IP_LIB) build/link_tunl.so

uninstall: uninstall-programs uninstall-tools headers
	rm -f $(MODULES)/updates/tunnel/tunnel.ko* $(MODULES)/updates/ipip/ipip.ko*
	for dir in updates/tunnel updates/ipip; do \
		test ! -d $(MODULES)/$$dir || \
			(cd $(MODULES) && rmdir -p --ignore-fail-on-non-empty $$dir) || exit; \
	done
	@$(depmod)

# needs no headers, which may have gone before
uninstall-programs:
	rm -f $(PROGRAMS:scripts/%=$(SBIN)/%) $(PAGES4:man/%=$(MAN)/man4/%) $(PAGES8:man/%=$(MAN)/man8/%) \
		$(COMPLETION:scripts/completion/%=$(COMPLETIONS)/%)

# the folder is nobody else's, unless there is something else in it
uninstall-tools:
	dir='$(IP_LIB)'; if test -n "$$dir" && test -d $(DESTDIR)"$$dir"; then \
		rm -f $(DESTDIR)"$$dir"/link_tunl.so && \
		rmdir --ignore-fail-on-non-empty $(DESTDIR)"$$dir"; \
	fi

# What is compiled, and no more.
install-dkms:
	install -D -m 644 -t $(SRC) Kbuild COPYING
	install -D -m 644 -t $(SRC)/include include/*.h include/Kbuild
	install -D -m 644 -t $(SRC)/include/compat/net include/compat/net/*.h
	for module in tunnel ipip; do \
		install -D -m 644 -t $(SRC)/$$module $$module/Kbuild \
			$$(ls $$module/*.[ch] | grep -v '\.mod\.c$$') || exit; \
	done
	sed 's/#MODULE_VERSION#/$(VERSION)/' scripts/dkms.conf >$(SRC)/dkms.conf
	sed 's/#MODULE_VERSION#/$(VERSION)/; s/#KERNELS#/$(KERNELS)/' scripts/dkms-try >$(SRC)/dkms-try
	chmod 755 $(SRC)/dkms-try

demo check bench deb pictures:
	$(CURDIR)/scripts/$@

# Every tree a module can be built against has been configured and has a
# Makefile; without one, kbuild's own complaint names no way out.
headers:
	@test -e $(KDIR)/Makefile && test -e $(KDIR)/include/config/auto.conf || { \
		echo "make: no kernel headers in $(KDIR)" >&2; \
		echo "make: for this kernel: apt-get install linux-headers-$(shell uname -r)" >&2; \
		echo "make: for another: make KDIR=DIR, DIR being its headers or a built tree" >&2; \
		exit 1; }

.PHONY: modules tools clean install install-modules install-programs install-tools \
	uninstall uninstall-programs uninstall-tools install-dkms \
	demo check bench deb pictures headers
