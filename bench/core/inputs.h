/* SPDX-License-Identifier: Apache-2.0 */
/* What both sides get: the documents are those of rust/proto/tests/vectors. */
#pragma once

#include <stddef.h>

struct text {
	const char *start;
	size_t length;
};

#define TEXT(name, literal) const struct text name = { literal, sizeof(literal) - 1 }

extern const struct text assigned_body, assigning_body, twin_body, c2d_topic, method_topic, twin_topic, desired_topic,
	foreign_topic, dps_topic;
