/// Chooses the best read engine that this host allows, and says why it is not a better one.
package enum ReadEngineSelection {
  /// `--io`.
  package enum Choice: String, Sendable, CaseIterable {
    /// io_uring, or pread where that is refused.
    case auto
    case uring
    case pread
  }

  package struct Configuration: Sendable {
    package var choice: Choice
    /// Reads in flight at a time.
    package var queueDepth: Int
    /// The most reads outstanding at a time.
    package var capacity: Int

    package init(choice: Choice = .auto, queueDepth: Int = 64, capacity: Int = 8192) {
      self.choice = choice
      self.queueDepth = queueDepth
      self.capacity = capacity
    }
  }

  /// Makes an engine over `files`, whose reads go mostly into `arenas`.
  ///
  /// - Throws: `ReadEngineFailure`.
  package static func make(
    files: [FlashFile], arenas: [DirectArena], configuration: Configuration = Configuration()
  ) throws(ReadEngineFailure) -> any ReadEngine {
    var reasons: [String] = []
    if configuration.choice != .pread {
      do throws(UringRefusal) {
        return try UringReadEngine(
          files: files, arenas: arenas, queueDepth: configuration.queueDepth,
          capacity: configuration.capacity)
      } catch {
        if configuration.choice == .uring { throw .uringRefused(error) }
        reasons.append(error.description)
      }
    }
    do throws(ReaderFailure) {
      return try PreadReadEngine(
        files: files, queueDepth: configuration.queueDepth, capacity: configuration.capacity,
        reasons: reasons)
    } catch {
      throw .noReaders(error)
    }
  }
}

/// No engine as asked for.
package enum ReadEngineFailure: Error, Sendable, Equatable, CustomStringConvertible {
  /// `--io uring` where the kernel gives none (exit code 77).
  case uringRefused(UringRefusal)
  /// Not even a reader thread can be started.
  case noReaders(ReaderFailure)

  package var description: String {
    switch self {
    case .uringRefused(let refusal): "--io uring: \(refusal)"
    case .noReaders(let failure): failure.description
    }
  }
}
