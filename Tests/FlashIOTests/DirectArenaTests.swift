import FlashIO
import FlashTestSupport
import Glibc
import Testing

struct DirectArenaTests {
  @Test(arguments: [1, 4096, 4097, (2 << 20) + 1])
  func anArenaIsAlignedAndWritableToItsLastByte(byteCount: Int) throws {
    let arena = try DirectArena(byteCount: byteCount, prefault: true)
    #expect(unsafe Int(bitPattern: arena.base) % DirectArena.alignment == 0)
    #expect(arena.byteCount >= byteCount && arena.byteCount < byteCount + 4096)
    unsafe arena.bytes[arena.byteCount - 1] = 1
    #expect(unsafe arena.bytes[0] == 0)
  }

  @Test func prefaultedMemoryIsResident() async {
    await #expect(processExitsWith: .success) {
      let before = ProcessMemory()!.anonymous
      let arena = try DirectArena(byteCount: 64 << 20, prefault: true)
      let after = ProcessMemory()!.anonymous
      precondition(after - before >= arena.byteCount)
      let parted = try DirectArena(byteCount: (64 << 20) + 4096)
      for partCount in [3, 100] {
        try parted.prefault(partCount: partCount) { count, body in (0..<count).forEach(body) }
      }
      precondition(ProcessMemory()!.anonymous - after >= parted.byteCount)
      let beforeLazy = ProcessMemory()!.anonymous
      let lazy = try DirectArena(byteCount: 64 << 20, hugePages: false)
      precondition(ProcessMemory()!.anonymous - beforeLazy < 1 << 20)
      unsafe precondition(lazy.bytes[0] == 0 && parted.bytes[parted.byteCount - 1] == 0)
      exit(EXIT_SUCCESS)
    }
  }

  @Test func registeredBuffersCoverTheArenaAndNoneIsOverOneGiB() throws {
    let limit = DirectArena.registeredBufferLimit
    for byteCount in [4096, limit, limit + 4096, 3 * limit - 4096] {
      let arena = try DirectArena(byteCount: byteCount)
      var end = unsafe arena.base
      let buffers = unsafe arena.registeredBuffers
      for index in unsafe buffers.indices {
        #expect(unsafe buffers[index].baseAddress == end && buffers[index].count <= limit)
        unsafe end += buffers[index].count
      }
      #expect(unsafe end == arena.base + byteCount)
    }
  }

  @Test func memoryThatCannotBeHadIsNamed() async throws {
    let absurd = try #require(throws: ArenaFailure.self) { try DirectArena(byteCount: Int.max) }
    #expect(absurd.operation == .reserve)
    #expect(absurd.description.contains("ENOMEM"))

    await #expect(processExitsWith: .success) {
      var limit = rlimit(rlim_cur: 1 << 40, rlim_max: 1 << 40)
      unsafe setrlimit(Int32(RLIMIT_AS.rawValue), &limit)
      do throws(ArenaFailure) {
        _ = try DirectArena(byteCount: 1 << 41)
      } catch {
        exit(
          error.description.contains("RLIMIT_AS is \(1 << 40) bytes") ? EXIT_SUCCESS : EXIT_FAILURE)
      }
      exit(EXIT_FAILURE)
    }
  }

  @Test func memoryThatCannotBeLockedIsNamed() async {
    await #expect(processExitsWith: .success) {
      var limit = rlimit(rlim_cur: 64 << 10, rlim_max: 64 << 10)
      unsafe setrlimit(Int32(__RLIMIT_MEMLOCK.rawValue), &limit)
      if getuid() == 0 { precondition(setuid(65534) == 0) }
      do throws(ArenaFailure) {
        _ = try DirectArena(byteCount: 1 << 20, lock: true)
      } catch {
        let isNamed = error.description.contains("RLIMIT_MEMLOCK is 65536 bytes")
        exit(error.operation == .lock && isNamed ? EXIT_SUCCESS : EXIT_FAILURE)
      }
      exit(EXIT_FAILURE)
    }
  }
}
