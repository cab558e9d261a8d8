/* SPDX-License-Identifier: Apache-2.0 */
/* What Wine before 9 lacks of bcryptprimitives.dll: Rust's standard library asks it for random bytes. */
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
	return RtlGenRandom(data, (ULONG)length);
}
