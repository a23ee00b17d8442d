internal import FlashCalibration
internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashProfiler
internal import FlashText
internal import FlashWeights
internal import FlashWindow
internal import Flashrun
internal import Glibc

/// Which exit code and words an error of the modules below gets: the one place that decides.
extension Failure {
  /// Nil for an error that is not of these modules, such as the argument parser's.
  package init?(describing error: any Error) {
    switch error {
    case let failure as Failure: self = failure
    case let error as ProbeError: self.init(error)
    case let error as TraceError:
      if case .unreadable = error.kind {
        self.init(.inputOutput, "\(error)")
      } else {
        self.init(.badData, "\(error)")
      }
    case let error as StoreError:
      self.init(ExitStatus(rawValue: error.category.rawValue) ?? .failure, "\(error)")
    case let error as MemoryPlanError: self.init(error)
    case let error as EngineError: self.init(error.status, "\(error)")
    case let error as DecoderError: self.init(error)
    case let error as CalibrationError:
      self.init(error == .cancelled ? .interrupted : .usage, "\(error)")
    case let error as TokenizerError: self.init(.badData, "\(error)")
    case let error as ReadEngineFailure:
      if case .uringRefused = error {
        self.init(.notPermitted, "\(error)", hints: ["--io auto takes the next best engine"])
      } else {
        self.init(.inputOutput, "\(error)")
      }
    case let error as FileFailure:
      if case .directRefused = error.kind {
        self.init(.notPermitted, "\(error)", hints: ["--direct auto reads through the page cache"])
      } else {
        self.init(error.code == ENOENT ? .noInput : .inputOutput, "\(error)")
      }
    case let error as ReadFailure: self.init(.inputOutput, "\(error)")
    case let error as ArenaFailure: self.init(.doesNotFit, "\(error)")
    default: return nil
    }
  }

  /// The sum that does not fit, item by item, and the nearest fixes.
  private init(_ error: MemoryPlanError) {
    let width = error.items.map { $0.name.count }.max() ?? 0
    let sum = error.items.filter { $0.byteCount > 0 }.map { item in
      let name = item.name + String(repeating: " ", count: width - item.name.count)
      return "\(name)  \(Units.padded(Units.bytes(item.byteCount), to: 10))  \(item.detail)"
    }
    self.init(
      .doesNotFit,
      "the model does not fit: the limit is \(Units.bytes(error.limit)) (\(error.limit) bytes), "
        + "and at least \(Units.bytes(error.requiredByteCount)) "
        + "(\(error.requiredByteCount) bytes) are needed",
      hints: sum + ["nearest fixes:"] + error.fixes.map { "- \($0)" })
  }

  private init(_ error: ProbeError) {
    switch error {
    case .missing: self.init(.noInput, "\(error)")
    case .noFile:
      self.init(.usage, "\(error)", hints: ["name a folder on the device, a file or a store"])
    case .tooSmall:
      self.init(.usage, "\(error)", hints: ["name a folder: a file is made there and removed"])
    case .sizeTooSmall: self.init(.usage, "--size: \(error)")
    case .noPlace:
      self.init(
        .inputOutput, "\(error)",
        hints: ["name a file on the device: it is only read, never written"])
    case .full:
      self.init(
        .inputOutput, "\(error)",
        hints: ["free some room, or name a file on the device: it is only read, never written"])
    }
  }

  /// An instruction set that was asked for and is not there.
  init(missing set: InstructionSet) {
    let supported = InstructionSet.supported.map(\.rawValue).joined(separator: ", ")
    self.init(
      .unavailable,
      "--isa \(set.rawValue): this CPU does not have it (\(set.instructions))",
      hints: ["this CPU has \(supported); --isa auto takes the last"])
  }

  private init(_ error: DecoderError) {
    switch error {
    case .contextFull(let contextLength, let needed):
      self.init(
        .usage, "\(needed) tokens do not fit a context of \(contextLength) positions",
        hints: ["-c \(needed) makes it larger, as far as the model allows"])
    case .unknownToken(let token, let vocabularySize):
      self.init(.usage, "token \(token) is not in the vocabulary of \(vocabularySize)")
    case .unsupported(let what): self.init(.usage, what)
    case .missingInstructions(let set): self.init(missing: set)
    case .uncertified(let mode, let canBePriced):
      let made = mode == .threshold ? "thresholds" : "predictors"
      self.init(
        .usage,
        "--sparsity \(mode.rawValue) is lossy and needs a certificate, which this store has not",
        hints: [
          canBePriced
            ? "`flashrun calibrate STORE --price-only -f TEXT` makes one for its \(made)"
            : "`flashrun calibrate STORE -f TEXT` makes one, and the \(made) with it"
        ])
    case .noRouting(let layer, let position):
      self.init(
        .badData,
        "layer \(layer) chooses no experts for position \(position): its router's logits are not "
          + "all finite",
        hints: ["`flashrun verify STORE` tells whether the store is whole"])
    case .cancelled: self.init(.interrupted, "interrupted")
    }
  }
}

extension EngineError {
  fileprivate var status: ExitStatus {
    switch self {
    case .noTokenizer: .noInput
    case .badTokenizer: .badData
    case .emptyPrompt, .promptTooLong: .usage
    case .noMemoryFigures: .failure
    }
  }
}
