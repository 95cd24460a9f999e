// The seed corpora, as their own targets write them:
//
//     <target> --corpus <folder>
//
// makes the folder's files from the encoders that the engine uses, and ends. A fuzzer that begins
// with a valid message of every kind need not find its form first.

#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/check.h"

namespace livestore {

// File names, and the inputs of LLVMFuzzerTestOneInput that they hold.
using Corpus = std::vector<std::pair<std::string, Bytes>>;

// An input whose first byte chooses what the rest is.
inline Bytes Chosen(uint8_t choice, BytesView rest) {
  Bytes input{choice};
  input.insert(input.end(), rest.begin(), rest.end());
  return input;
}

// For LLVMFuzzerInitialize. Arguments that begin with two dashes are none of libFuzzer's.
inline int OfferCorpus(int argc, char** argv, Corpus (*make)()) {
  if (argc != 3 || std::strcmp(argv[1], "--corpus") != 0) return 0;
  for (const auto& [name, input] : make()) {
    const std::string path = std::string(argv[2]) + "/" + name;
    std::FILE* const file = std::fopen(path.c_str(), "wb");
    LS_CHECK(file != nullptr);
    LS_CHECK(std::fwrite(input.data(), 1, input.size(), file) == input.size());
    LS_CHECK(std::fclose(file) == 0);
  }
  std::exit(0);
}

}  // namespace livestore
