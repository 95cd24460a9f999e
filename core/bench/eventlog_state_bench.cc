// What appending and materializing cost below the leader, part by part: the eventlog alone, the
// state alone, and both as the leader runs them, in groups of 1,000 single-row events. The
// materializer is a prepared insert and costs next to nothing, so that what is seen is ours and
// SQLite's.
//
// The argument is the storage: 0 memory, 1 files of the operating system with a flush that only
// counts. items_per_second is events per second; the bar for both together is 100,000.

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/event/event.h"
#include "core/eventlog/eventlog.h"
#include "core/sqlite/changeset.h"
#include "core/sqlite/memory_pool.h"
#include "core/sqlite/pool_vfs.h"
#include "core/sqlite/savepoint.h"
#include "core/state/state_db.h"

namespace livestore {
namespace {

constexpr size_t kGroupEvents = 1'000;

std::vector<std::string> FileNames() {
  return {"eventlog.db", "eventlog.db-wal", "eventlog.db-journal",
          "state.db",    "state.db-wal",    "state.db-journal"};
}

// A pool on files in a new folder of the system's temporary one.
class FilePool final : public StoragePool {
 public:
  FilePool() {
    const char* const temp = std::getenv("TMPDIR");
    folder_ = std::string(temp != nullptr ? temp : P_tmpdir) + "/livestore-bench-XXXXXX";
    LS_CHECK(mkdtemp(folder_.data()) != nullptr);
    for (const std::string& name : FileNames()) {
      files_.push_back({name, open((folder_ + "/" + name).c_str(), O_RDWR | O_CREAT, 0600)});
      LS_CHECK(files_.back().descriptor >= 0);
    }
  }
  ~FilePool() override {
    for (const File& file : files_) {
      close(file.descriptor);
      unlink((folder_ + "/" + file.name).c_str());
    }
    rmdir(folder_.c_str());
  }

  Handle Find(std::string_view name) override {
    for (size_t i = 0; i < files_.size(); ++i) {
      if (files_[i].name == name) return static_cast<Handle>(i);
    }
    return kNone;
  }
  int64_t Size(Handle file) override {
    struct stat facts{};
    return fstat(At(file), &facts) == 0 ? facts.st_size : -1;
  }
  int64_t Read(Handle file, uint8_t* out, size_t size, int64_t offset) override {
    return pread(At(file), out, size, offset);
  }
  StorageStatus Write(Handle file, BytesView bytes, int64_t offset) override {
    const ssize_t written = pwrite(At(file), bytes.data(), bytes.size(), offset);
    return written == static_cast<ssize_t>(bytes.size()) ? StorageStatus::kOk
                                                         : StorageStatus::kIoError;
  }
  StorageStatus Truncate(Handle file, int64_t size) override {
    return ftruncate(At(file), size) == 0 ? StorageStatus::kOk : StorageStatus::kIoError;
  }
  // Device flushes differ by orders of magnitude; what is measured here is the work before them.
  StorageStatus Flush(Handle) override { return StorageStatus::kOk; }

 private:
  struct File {
    std::string name;
    int descriptor;
  };
  [[nodiscard]] int At(Handle file) const { return files_[static_cast<size_t>(file)].descriptor; }

  std::string folder_;
  std::vector<File> files_;
};

// One row per event, by a statement prepared once.
class InsertMaterializer final : public Materializer {
 public:
  Result<BytesView> Materialize(const Event& event, int /*local_index*/) override {
    binds_.Clear();
    binds_.Int64(static_cast<int64_t>(event.seq.global)).Text(event.args_json).Number(0);
    batch_.Clear();
    batch_.U32(1);
    batch_.U32(0);
    batch_.U32(statement);
    batch_.U32(static_cast<uint32_t>(binds_.view().size()));
    batch_.Raw(binds_.view());
    return batch_.view();
  }

  static SchemaDescriptor Schema() {
    auto schema = ParseSchemaDescriptor(
        R"({"version":1,"tables":[{"name":"todos","columns":[
          {"name":"id","type":"text","primaryKey":true},{"name":"text","type":"text"},
          {"name":"done","type":"integer","codec":"boolean"}]}]})");
    LS_CHECK(schema.ok());
    return std::move(*schema);
  }

  StatementId statement = 0;

 private:
  BindsWriter binds_;
  ByteWriter batch_;
};

struct World {
  explicit World(bool files)
      : pool(files ? std::unique_ptr<StoragePool>(std::make_unique<FilePool>())
                   : std::make_unique<MemoryPool>(FileNames())),
        vfs(*PoolVfs::Create(*pool, {})) {
    log = *Eventlog::Open(vfs->name(), "eventlog.db");
    auto database = Database::Open(vfs->name(), "state.db", Durability::kDerived);
    LS_CHECK(database.ok());
    state = *StateDb::Create(std::move(*database), InsertMaterializer::Schema(), materializer);
    LS_CHECK(state->Recreate().ok());
    materializer.statement =
        *state->database().Prepare("insert into todos (id, text, done) values (?, ?, ?)");
  }

  std::vector<Event> NextGroup() {
    std::vector<Event> events;
    events.reserve(kGroupEvents);
    for (size_t i = 0; i < kGroupEvents; ++i) {
      const SeqNumPair next = NextSeqNum(head, false);
      events.push_back({.seq = next.seq,
                        .parent = next.parent,
                        .name = "v1.TodoCreated",
                        .args_json = R"({"id":"V1StGXR8_Z5jdHi6B-myT","text":"A usual todo"})",
                        .client_id = "client",
                        .session_id = "session",
                        .schema_hash = 123'456'789});
      head = next.seq;
    }
    return events;
  }

  void Append(const std::vector<Event>& events) {
    LS_CHECK(log->Begin().ok());
    LS_CHECK(log->Append(events).ok());
    LS_CHECK(log->Commit().ok());
  }
  void Materialize(const std::vector<Event>& events, StateDb::Record record) {
    auto savepoint = Savepoint::Begin(state->database(), "bench");
    for (const Event& event : events) LS_CHECK(state->Materialize(event, -1, record).ok());
    LS_CHECK(state->SaveHead().ok());
    LS_CHECK(savepoint->Release().ok());
  }

  std::unique_ptr<StoragePool> pool;
  std::unique_ptr<PoolVfs> vfs;
  InsertMaterializer materializer;
  std::unique_ptr<Eventlog> log;
  std::unique_ptr<StateDb> state;
  SeqNum head;
};

template <typename Work>
void Measure(benchmark::State& state, Work work) {
  World world(state.range(0) == 1);
  for (auto _ : state) {
    state.PauseTiming();
    const std::vector<Event> events = world.NextGroup();
    state.ResumeTiming();
    work(world, events);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kGroupEvents));
}

void AppendGroup(benchmark::State& state) {
  Measure(state, [](World& world, const std::vector<Event>& events) { world.Append(events); });
}
BENCHMARK(AppendGroup)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

void MaterializeGroup(benchmark::State& state) {
  Measure(state, [](World& world, const std::vector<Event>& events) {
    world.Materialize(events, StateDb::Record::kNothing);
  });
}
BENCHMARK(MaterializeGroup)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

void MaterializeGroupWithChangesets(benchmark::State& state) {
  Measure(state, [](World& world, const std::vector<Event>& events) {
    world.Materialize(events, StateDb::Record::kChangeset);
  });
}
BENCHMARK(MaterializeGroupWithChangesets)->Arg(0)->Unit(benchmark::kMillisecond);

void AppendAndMaterializeGroup(benchmark::State& state) {
  Measure(state, [](World& world, const std::vector<Event>& events) {
    world.Append(events);
    world.Materialize(events, StateDb::Record::kNothing);
  });
}
BENCHMARK(AppendAndMaterializeGroup)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

// A boot's replay: read the log chunk by chunk.
void ReadLog(benchmark::State& state) {
  World world(state.range(0) == 1);
  for (int i = 0; i < 10; ++i) world.Append(world.NextGroup());
  for (auto _ : state) {
    SeqNum after;
    while (true) {
      const auto events = world.log->Range(after, kGroupEvents);
      LS_CHECK(events.ok());
      if (events->empty()) break;
      after = events->back().seq;
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * 10 * kGroupEvents));
}
BENCHMARK(ReadLog)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace livestore
