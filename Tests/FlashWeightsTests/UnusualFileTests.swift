import FlashKernels
import FlashTestSupport
import Foundation
import Glibc
import Testing

@testable import FlashWeights

/// What is neither a plain file nor a folder, where a checkpoint's file or a store should be.
struct UnusualFileTests {
  private let folder = ScratchFolder()

  private func converter(target: String = "out.flash") throws(StoreError) -> Converter {
    try Converter(
      source: folder / "model", target: target.isEmpty ? "" : folder / target,
      options: ConversionOptions(formats: StoreFormats(.f32)))
  }

  /// A plain open of a FIFO waits for a writer, which never comes.
  @Test(
    .timeLimit(.minutes(1)), arguments: ["config.json", "model.safetensors", "tokenizer.json"])
  func pipeIsRefusedWithoutWaiting(name: String) throws {
    try TinyModel(family: .llama, seed: 1, keyValueHeads: [2, 2]).write(to: folder / "model")
    let path = folder / "model/\(name)"
    try FileManager.default.removeItem(atPath: path)
    try #require(unsafe mkfifo(path, 0o600) == 0)
    let error = #expect(throws: StoreError.self) { try converter().run() }
    #expect(error?.file == path && error?.category == .noInput)
    #expect(error?.problem == "is not a regular file")
  }

  /// Before anything is read: there is no checkpoint.
  @Test func emptyTargetIsAWrongCall() throws {
    let error = #expect(throws: StoreError.self) { try converter(target: "") }
    #expect(error?.category == .usage)
    #expect(error?.description.contains("the path of the store is empty") == true)
  }

  @Test func existingTargetIsRefusedBeforeTheWorkIsPlanned() throws {
    try FileManager.default.createDirectory(
      atPath: folder / "out.flash", withIntermediateDirectories: false)
    let error = #expect(throws: StoreError.self) { try converter() }
    #expect(error?.kind == .targetExists && error?.file == folder / "out.flash")
  }

  @Test func linkThatLeadsNowhereIsNoTarget() throws {
    try FileManager.default.createSymbolicLink(
      atPath: folder / "out.flash", withDestinationPath: "gone.flash")
    let error = #expect(throws: StoreError.self) { try converter() }
    #expect(error?.category == .usage && error?.file == folder / "out.flash")
    #expect(error?.problem.contains("a symbolic link that leads nowhere") == true)
  }

  @Test func interruptedWriterLeavesThePartialPathOfItsTarget() throws {
    try TinyModel(family: .llama, seed: 1, keyValueHeads: [2, 2]).write(to: folder / "model")
    try FileManager.default.createDirectory(
      atPath: folder / "stores", withIntermediateDirectories: false)
    try FileManager.default.createSymbolicLink(
      atPath: folder / "link", withDestinationPath: "stores")
    var options = ConversionOptions(formats: StoreFormats(.f32))
    options.fault = { step, _ in
      step == 9 ? StoreError(.interrupted, "stopped by the test") : nil
    }
    for target in ["out.flash", "link/out.flash/", "stores/out.flash"] {
      #expect(throws: StoreError.self) {
        try Converter(source: folder / "model", target: folder / target, options: options).run()
      }
      let partial = try StoreTarget(folder / target).partialPath
      #expect(FileManager.default.fileExists(atPath: partial + "/dense.safetensors"))
      try FileManager.default.removeItem(atPath: partial)
    }
  }
}
