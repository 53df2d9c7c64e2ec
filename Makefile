# SPDX-License-Identifier: GPL-2.0
#
# make                   build tunnel/tunnel.ko and ipip/ipip.ko for this kernel
# make KDIR=DIR          ... for the kernel whose headers or tree are in DIR
# make KDIR=DIR ARCH=um  ... for a user-mode Linux tree
# make demo, make check  the two commands of the README
# make bench             measure, against the kernel's own; into docs/performance.md

KDIR ?= /lib/modules/$(shell uname -r)/build

.DEFAULT_GOAL := modules

modules: headers
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

clean: headers
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean

demo check bench:
	$(CURDIR)/scripts/$@

# Every tree a module can be built against has been configured and has a
# Makefile; without one, kbuild's own complaint names no way out.
headers:
	@test -e $(KDIR)/Makefile && test -e $(KDIR)/include/config/auto.conf || { \
		echo "make: no kernel headers in $(KDIR)" >&2; \
		echo "make: for this kernel: apt-get install linux-headers-$(shell uname -r)" >&2; \
		echo "make: for another: make KDIR=DIR, DIR being its headers or a built tree" >&2; \
		exit 1; }

.PHONY: modules clean demo check bench headers
