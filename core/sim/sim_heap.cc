// The heap of core_sim, in place of the C library's: a sixth of a seed's time went into that. A
// worker has one thread and opens and closes databases without end, so free blocks wait by size for
// the next of their size, and none goes back to the system. Not where a sanitizer watches the heap.

#include <sys/mman.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace livestore::sim {
namespace {

// Classes are multiples of 16 up to 1 KiB, then four to each power of two. A block's class stands
// in the 16 bytes before it.
constexpr size_t kHeaderBytes = 16;
constexpr size_t kSmallMax = 1024;
constexpr size_t kSmallClasses = kSmallMax / 16;
constexpr size_t kClasses = 256;
constexpr size_t kArenaBytes = size_t{32} << 20;

struct Free {
  Free* next;
};
Free* free_blocks[kClasses];
char* arena = nullptr;
size_t arena_left = 0;

size_t ClassOf(size_t size) {
  if (size <= kSmallMax) return size == 0 ? 1 : (size + 15) / 16;
  const auto log = static_cast<size_t>(std::bit_width(size - 1)) - 1;  // 10 and up.
  return kSmallClasses + 1 + (log - 10) * 4 + (((size - 1) >> (log - 2)) & 3);
}

size_t SizeOf(size_t block_class) {
  if (block_class <= kSmallClasses) return block_class * 16;
  const size_t large = block_class - kSmallClasses - 1;
  const size_t log = 10 + large / 4;
  return (size_t{1} << log) + ((large % 4 + 1) << (log - 2));
}

size_t& HeaderOf(void* block) {
  return *reinterpret_cast<size_t*>(static_cast<char*>(block) - kHeaderBytes);
}

void* Allocate(size_t size) {
  const size_t block_class = ClassOf(size);
  if (Free* const block = free_blocks[block_class]; block != nullptr) {
    free_blocks[block_class] = block->next;
    return block;
  }
  const size_t whole = SizeOf(block_class) + kHeaderBytes;
  if (whole > arena_left) {
    arena_left = whole > kArenaBytes ? whole : kArenaBytes;
    void* const memory = mmap(nullptr, arena_left, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    arena = static_cast<char*>(memory);
  }
  char* const block = arena + kHeaderBytes;
  arena += whole;
  arena_left -= whole;
  HeaderOf(block) = block_class;
  return block;
}

void Release(void* block) {
  if (block == nullptr) return;
  const size_t block_class = HeaderOf(block);
  free_blocks[block_class] = new (block) Free{free_blocks[block_class]};
}

size_t Room(void* block) { return SizeOf(HeaderOf(block)); }

}  // namespace
}  // namespace livestore::sim

extern "C" {

void* malloc(size_t size) noexcept { return livestore::sim::Allocate(size); }

void free(void* block) noexcept { livestore::sim::Release(block); }

void* calloc(size_t count, size_t size) noexcept {
  size_t whole = 0;
  if (__builtin_mul_overflow(count, size, &whole)) return nullptr;
  return std::memset(livestore::sim::Allocate(whole), 0, whole);
}

void* realloc(void* block, size_t size) noexcept {
  if (block == nullptr) return livestore::sim::Allocate(size);
  const size_t room = livestore::sim::Room(block);
  if (size <= room) return block;
  void* const larger = livestore::sim::Allocate(size);
  std::memcpy(larger, block, room);
  livestore::sim::Release(block);
  return larger;
}

size_t malloc_usable_size(void* block) noexcept {
  return block == nullptr ? 0 : livestore::sim::Room(block);
}

// Nobody here asks for more than what every block has.
void* aligned_alloc(size_t alignment, size_t size) noexcept {
  if (alignment > livestore::sim::kHeaderBytes) std::abort();
  return livestore::sim::Allocate(size);
}

}  // extern "C"
