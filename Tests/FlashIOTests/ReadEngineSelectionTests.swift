import FlashIO
import FlashTestSupport
import Glibc
import Testing

struct ReadEngineSelectionTests {
  @Test func theRingIsTakenWhereItIsAllowed() throws {
    let fixture = try Fixture(byteCount: 4096)
    let engine = try ReadEngineSelection.make(files: [fixture.file], arenas: [fixture.arena])
    let isAllowed = UringReadEngine.probe() == nil
    #expect(engine.description.kind == (isAllowed ? .uring : .pread))
    #expect(engine.description.reasons.isEmpty == isAllowed)
  }

  @Test func preadIsTakenWhereItIsAskedFor() throws {
    let fixture = try Fixture(byteCount: 4096)
    let engine = try ReadEngineSelection.make(
      files: [fixture.file], arenas: [fixture.arena], configuration: .init(choice: .pread))
    #expect(engine.description.kind == .pread)
    #expect(engine.description.queueDepth == PreadReadEngine.readerLimit)
    #expect(engine.description.reasons.isEmpty)
  }

  @Test func whereSeccompForbidsTheRingPreadReadsAndSaysWhy() async {
    await #expect(processExitsWith: .success) {
      let fixture = try Fixture(byteCount: 70_000)
      Seccomp.forbidRing()
      let engine = try ReadEngineSelection.make(files: [fixture.file], arenas: [fixture.arena])
      precondition(engine.description.kind == .pread)
      precondition(engine.description.reasons.count == 1)
      precondition(engine.description.reasons[0].contains("io_uring is disabled: seccomp"))
      precondition(engine.description.reasons[0].contains("EPERM"))
      try unsafe engine.readAll(fixture.requestsForAll())
      precondition(fixture.holdsAll)
      exit(EXIT_SUCCESS)
    }
  }

  @Test func aRingAskedForAndForbiddenIsADistinctError() async {
    await #expect(processExitsWith: .success) {
      let fixture = try Fixture(byteCount: 4096)
      Seccomp.forbidRing()
      do throws(ReadEngineFailure) {
        _ = try ReadEngineSelection.make(
          files: [fixture.file], arenas: [fixture.arena], configuration: .init(choice: .uring))
      } catch {
        guard case .uringRefused(let refusal) = error else { exit(EXIT_FAILURE) }
        exit(refusal.isForbidden && refusal.code == EPERM ? EXIT_SUCCESS : EXIT_FAILURE)
      }
      exit(EXIT_FAILURE)
    }
  }
}

/// A filter that answers EPERM to io_uring, as container profiles do.
private enum Seccomp {
  /// For this thread, for good.
  static func forbidRing() {
    // struct sock_filter: code, jump if true, jump if false, operand.
    let filter: [UInt64] = [
      instruction(0x20, 0, 0, 0),  // load the system call's number
      instruction(0x35, 0, 2, 425),  // below io_uring_setup: allow
      instruction(0x25, 1, 0, 427),  // above io_uring_register: allow
      instruction(0x06, 0, 0, 0x0005_0000 | UInt32(EPERM)),
      instruction(0x06, 0, 0, 0x7FFF_0000),
    ]
    unsafe filter.withUnsafeBytes { instructions in
      // struct sock_fprog: a count and a pointer.
      let program = [UInt(filter.count), UInt(bitPattern: instructions.baseAddress)]
      unsafe program.withUnsafeBytes { bytes in
        // PR_SET_NO_NEW_PRIVS, then PR_SET_SECCOMP with SECCOMP_MODE_FILTER.
        precondition(control(38, 1, 0, 0, 0) == 0)
        precondition(control(22, 2, UInt(bitPattern: bytes.baseAddress), 0, 0) == 0)
      }
    }
  }

  /// `prctl`, which Swift does not import because it is variadic.
  private static var control: @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32 {
    let symbol = unsafe dlsym(nil, "prctl")!
    return unsafe unsafeBitCast(
      symbol, to: (@convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32).self)
  }

  private static func instruction(
    _ code: UInt16, _ ifTrue: UInt8, _ ifFalse: UInt8, _ operand: UInt32
  ) -> UInt64 {
    UInt64(code) | UInt64(ifTrue) << 16 | UInt64(ifFalse) << 24 | UInt64(operand) << 32
  }
}
