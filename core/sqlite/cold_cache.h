// ColdCache: a page cache that keeps nothing. Every statement then reads its pages from storage, as
// in a log far larger than the cache, so that a test can make any one of those reads fail. For
// tests only; who includes it links sqlite3.
//
// SQLite takes its page cache once per process, before it starts: make one ColdCache of static
// storage duration. It changes nothing until a ColdCache::Scope lives, and then only the databases
// in files that are opened meanwhile.

#pragma once

#include <sqlite3.h>

#include "core/base/check.h"

namespace livestore {

class ColdCache {
 public:
  ColdCache() {
    LS_CHECK(sqlite3_config(SQLITE_CONFIG_GETPCACHE2, &Own()) == SQLITE_OK);
    sqlite3_pcache_methods2 cold = Own();
    cold.xCachesize = [](sqlite3_pcache* cache, int pages) {
      Own().xCachesize(cache, scopes_ > 0 ? 0 : pages);
    };
    LS_CHECK(sqlite3_config(SQLITE_CONFIG_PCACHE2, &cold) == SQLITE_OK);
  }

  class Scope {
   public:
    Scope() { ++scopes_; }
    ~Scope() { --scopes_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };

 private:
  // SQLite's own.
  static sqlite3_pcache_methods2& Own() {
    static sqlite3_pcache_methods2 methods{};
    return methods;
  }

  static inline int scopes_ = 0;
};

}  // namespace livestore
