// Import: the eventlog of LiveStore 0.3 or 0.4, taken over into a log that never held anything.
//
// What comes is the bytes of their SQLite file, whose table `eventlog` ours is modelled on; 0.3 has
// no generations, nor the id of a backend. Numbers, order, client and session ids, metadata of the
// sync backend and how far it has confirmed are kept: what was pending there is pending here.
//
// One transaction does all of it, and begins epoch 1. So the log says that it was done, and after a
// crash in the middle it is a log that never held anything, as before.

#pragma once

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/eventlog/eventlog.h"

namespace livestore {

struct LiveStoreFiles {
  BytesView database;       // Empty: there is nothing to take over, and never will be.
  BytesView journal;        // Not empty after a crash in a transaction, which is then rolled back.
  bool generations = true;  // False for those of 0.3.
};

// Returns how many events were taken over. A log that holds, or ever held, anything stays as it
// is: 0. It also does if there are none to take over, and another one may be. Fails with
// kImportFailed for a database that is damaged, or that has not what a log of LiveStore has,
// kStorageFull, kStorageIo; nothing was written then.
Result<uint64_t> ImportLiveStore(Eventlog& log, const LiveStoreFiles& files);

}  // namespace livestore
