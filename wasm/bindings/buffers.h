// The three buffers through which packed bytes cross (js/src/wasm/codec.ts is the other side).
//
// input   JavaScript writes the arguments of a raw export; the engine has read them when it
// returns. batch   JavaScript writes the statements of one materialization, while a call is in
// progress. output  the engine points at the result of the last raw export.

#pragma once

#include <string_view>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace livestore::wasm {

// The first `size` bytes of the input or batch buffer.
BytesView InputBytes(uint32_t size);
BytesView BatchBytes(uint32_t size);

// `view` must stay alive until the next raw export.
void SetOutput(BytesView view);
// Keeps `bytes` as the output.
void SetOutput(Bytes bytes);
// error := code:u32 message_bytes:u32 message. Returns -1, which is what the export then returns.
int SetErrorOutput(const Error& error);
// length:u32 utf8, padded to 4.
void WriteText(ByteWriter& writer, std::string_view text);

}  // namespace livestore::wasm
