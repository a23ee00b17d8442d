import FlashTestSupport
import Foundation
import Synchronization

/// Runs the built `flashrun` as a user does.
struct Tool {
  struct Outcome: Sendable {
    var status: Int32
    var output: String
    var error: String
  }

  static let checkpoint = ProjectFiles.sample

  /// The built binary, beside this test's own.
  static let path: String = {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    let beside = URL(fileURLWithPath: own).deletingLastPathComponent().path + "/flashrun"
    return FileManager.default.isExecutableFile(atPath: beside)
      ? beside : ProjectFiles.root + "/.build/debug/flashrun"
  }()

  /// A folder for this process's stores and configuration, removed at exit.
  static let folder: String = {
    let path =
      FileManager.default.temporaryDirectory.path
      + "/flashrun-cli-tests-\(ProcessInfo.processInfo.processIdentifier)"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    atexit { try? FileManager.default.removeItem(atPath: Tool.folder) }
    return path
  }()

  /// A store of the sample in f32, made once with `convert`.
  static let store = Result { try converted(checkpoint, "full") }

  /// The same without a tokenizer.
  static let textless = Result {
    let source = folder + "/textless"
    try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
    for name in ["config.json", "model.safetensors"] {
      try FileManager.default.copyItem(atPath: checkpoint + "/" + name, toPath: source + "/" + name)
    }
    return try converted(source, "textless")
  }

  private struct ConversionFailed: Error { var outcome: Outcome }

  private static func converted(_ source: String, _ name: String) throws -> String {
    let target = "\(folder)/\(name).flash"
    let outcome = try run(["convert", source, target, "--type", "f32"])
    guard outcome.status == 0 else { throw ConversionFailed(outcome: outcome) }
    return target
  }

  /// Runs to the end.
  ///
  /// - Parameters:
  ///   - input: standard input; nil is a closed one.
  ///   - whileRunning: called with the process once it writes to standard output.
  static func run(
    _ arguments: [String], input: String? = nil, environment: [String: String] = [:],
    whileRunning: (@Sendable (pid_t) -> Void)? = nil
  ) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.environment = [
      "HOME": folder, "XDG_CACHE_HOME": folder + "/cache", "XDG_CONFIG_HOME": folder + "/config",
      "PATH": "/usr/bin:/bin",
    ].merging(environment) { $1 }
    let (output, error) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = error
    let inputPipe = input.map { _ in Pipe() }
    process.standardInput = inputPipe ?? FileHandle.nullDevice
    try process.run()
    if let input, let inputPipe {
      try inputPipe.fileHandleForWriting.write(contentsOf: Data(input.utf8))
      try inputPipe.fileHandleForWriting.close()
    }
    let errorText = Mutex("")
    let done = DispatchSemaphore(value: 0)
    let errorHandle = error.fileHandleForReading
    DispatchQueue.global().async {
      let data = errorHandle.readDataToEndOfFile()
      errorText.withLock { $0 = String(decoding: data, as: UTF8.self) }
      done.signal()
    }
    var collected = Data()
    while true {
      let data = output.fileHandleForReading.availableData
      if data.isEmpty { break }
      if collected.isEmpty { whileRunning?(process.processIdentifier) }
      collected.append(data)
    }
    done.wait()
    process.waitUntilExit()
    let status =
      process.terminationReason == .exit
      ? process.terminationStatus : 128 + process.terminationStatus
    return Outcome(
      status: status, output: String(decoding: collected, as: UTF8.self),
      error: errorText.withLock { $0 })
  }
}
