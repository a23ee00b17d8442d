import FlashIO
import FlashTestSupport
import Glibc
import Testing

/// What an engine traps on, each in a process of its own.
struct WrongCallTests {
  @Test func aReadOffTheUnitTraps() async {
    let result = await #expect(processExitsWith: .failure) {
      let fixture = try Fixture(byteCount: 8192, support: .unit(4096))
      let engine = try PreadReadEngine(files: [fixture.file])
      try unsafe engine.readAll([
        ReadRequest(
          fileIndex: 0, extent: FileExtent(offset: 512, byteCount: 4096),
          destination: fixture.arena.base)
      ])
      exit(EXIT_SUCCESS)
    }
    #expect(result?.isTrap == true)
  }

  @Test func aReadBehindTheEndTraps() async {
    let result = await #expect(processExitsWith: .failure) {
      let fixture = try Fixture(byteCount: 4096, support: .unit(4096))
      let engine = try PreadReadEngine(files: [fixture.file])
      try unsafe engine.readAll([fixture.request(units: 0..<2)])
      exit(EXIT_SUCCESS)
    }
    #expect(result?.isTrap == true)
  }

  @Test func moreReadsThanTheCapacityTrap() async {
    let result = await #expect(processExitsWith: .failure) {
      let fixture = try Fixture(byteCount: 8192, support: .unit(4096))
      let engine = try PreadReadEngine(files: [fixture.file], capacity: 1)
      _ = try unsafe engine.submit([fixture.request(units: 0..<1), fixture.request(units: 1..<2)])
      exit(EXIT_SUCCESS)
    }
    #expect(result?.isTrap == true)
  }

  @Test func waitingTwiceTraps() async {
    let result = await #expect(processExitsWith: .failure) {
      let fixture = try Fixture(byteCount: 4096)
      let engine = try PreadReadEngine(files: [fixture.file])
      let batch = try unsafe engine.submit(fixture.requestsForAll())
      try engine.wait(for: batch)
      try engine.wait(for: batch)
      exit(EXIT_SUCCESS)
    }
    #expect(result?.isTrap == true)
  }

  @Test func anotherThreadTraps() async {
    let result = await #expect(processExitsWith: .failure) {
      let fixture = try Fixture(byteCount: 4096)
      let engine = try PreadReadEngine(files: [fixture.file])
      try unsafe engine.readAll(fixture.requestsForAll())
      let pointer = unsafe Unmanaged.passRetained(engine).toOpaque()
      var thread = pthread_t()
      unsafe pthread_create(&thread, nil, useEngine, pointer)
      pthread_join(thread, nil)
      exit(EXIT_SUCCESS)
    }
    #expect(result?.isTrap == true)
  }
}

private func useEngine(_ engine: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  _ = try? unsafe Unmanaged<PreadReadEngine>.fromOpaque(engine!).takeRetainedValue().submit([])
  return nil
}

extension ExitTest.Result {
  /// Whether the process stopped at a precondition, and not at an error.
  var isTrap: Bool {
    if case .signal = exitStatus { true } else { false }
  }
}
