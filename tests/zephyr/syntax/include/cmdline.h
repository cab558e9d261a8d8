/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_CMDLINE_H
#define SYNTAX_CMDLINE_H

struct args_struct_t {
	char *option;
	char *name;
	char type;
	void *dest;
	char *descript;
};

#define ARG_TABLE_ENDMARKER {0}

void native_add_command_line_opts(struct args_struct_t *options);

#endif
