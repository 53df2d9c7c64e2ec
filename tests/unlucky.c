// SPDX-License-Identifier: GPL-2.0
/*
 * One system call whose allocations may fail, and nothing but that: programs
 * that start while they do take user-mode Linux down with them.
 *
 *   unlucky load FILE | unload MODULE | netns
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int file = -1, self = open("/proc/self/make-it-fail", O_WRONLY);
	long err;

	if (argc > 2 && !strcmp(argv[1], "load"))
		file = open(argv[2], O_RDONLY);
	if (argc < 2 || self < 0 || mlockall(MCL_CURRENT)) {
		perror("unlucky");
		return 2;
	}

	if (write(self, "1", 1) != 1)
		return 2;
	if (!strcmp(argv[1], "load"))
		err = syscall(SYS_finit_module, file, "", 0);
	else if (!strcmp(argv[1], "unload"))
		err = syscall(SYS_delete_module, argv[2], O_NONBLOCK);
	else
		err = syscall(SYS_unshare, CLONE_NEWNET);
	return err ? errno : 0;
}
