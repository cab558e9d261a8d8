/* SPDX-License-Identifier: Apache-2.0 */
#include "../../include/net/azure_fota.h"
