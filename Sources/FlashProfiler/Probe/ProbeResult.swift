internal import FlashIO

/// Everything that a probe measured.
package struct ProbeResult: Sendable {
  package var environment: ProbeEnvironment
  /// What was read, in words, and as it was named.
  package var targetText: String
  package var path: String
  /// The file that was read; one that was made has no name that lasts.
  package var fileName: String
  package var kind: ProbeTarget.Kind
  package var fileByteCount: Int
  /// The direct-I/O unit; nil where reads go through the page cache.
  package var directUnit: Int?
  package var memoryAlignment: Int
  package var measuredAt: String
  package var coldness: Coldness?
  /// Random reads by size and depth.
  package var sweep: [ProbeCell] = []
  /// Random reads of the store's own size.
  package var store: [ProbeCell] = []
  package var sequential: [ProbeCell] = []
  /// The ways to read.
  package var methods: [ProbeCell] = []
  package var burst: BurstCurve?
  package var remarks: [String]
  /// Whether the plan was finished.
  package var isComplete = false

  /// Nothing is measured yet.
  package init(
    environment: ProbeEnvironment, targetText: String, path: String, fileName: String,
    kind: ProbeTarget.Kind, fileByteCount: Int, directUnit: Int?, memoryAlignment: Int,
    measuredAt: String, remarks: [String]
  ) {
    self.environment = environment
    self.targetText = targetText
    self.path = path
    self.fileName = fileName
    self.kind = kind
    self.fileByteCount = fileByteCount
    self.directUnit = directUnit
    self.memoryAlignment = memoryAlignment
    self.measuredAt = measuredAt
    self.remarks = remarks
  }

  init(target: ProbeTarget, environment: ProbeEnvironment, measuredAt: String) {
    self.init(
      environment: environment, targetText: target.text, path: target.path,
      fileName: target.file.path, kind: target.kind, fileByteCount: target.file.byteCount,
      directUnit: target.file.isDirect ? target.file.unit : nil,
      memoryAlignment: target.file.memoryAlignment, measuredAt: measuredAt,
      remarks: target.remarks)
  }

  /// In the order of the plan.
  package var sizes: [Int] { Self.distinct(sweep.map(\.byteCount)) }
  package var depths: [Int] { Self.distinct(sweep.map(\.depth)) }

  /// The sweep's cell of a size and depth.
  package func cell(_ byteCount: Int, _ depth: Int) -> ProbeCell? {
    sweep.first { $0.byteCount == byteCount && $0.depth == depth }
  }

  /// Bytes a second of the fastest reads in order.
  package var ceiling: Double? { sequential.map(\.bytesPerSecond).max() }

  /// For later runs; nil where too little was measured, or not the device but the page cache.
  package var saved: SavedProfile? {
    guard isComplete, directUnit != nil, let storage = environment.storage, !storage.isInMemory,
      let ceiling, let first = sweep.first
    else { return nil }
    var saved = SavedProfile(
      device: storage.device, measuredAt: measuredAt, method: first.method.rawValue,
      isCold: coldness?.isCold ?? false, bandwidth: ceiling, sustainedBandwidth: burst?.sustained,
      cells: randomCells)
    if kind != .made { saved.measuredFile = fileName }
    return saved
  }

  /// All random reads, as profiles keep them.
  package var randomCells: [SavedProfile.Cell] {
    (sweep + store).map {
      SavedProfile.Cell(
        readByteCount: $0.byteCount, queueDepth: $0.depth, readsPerSecond: $0.readsPerSecond,
        medianNanoseconds: $0.p(50), p99Nanoseconds: $0.p(99))
    }
  }

  private static func distinct(_ values: [Int]) -> [Int] { Set(values).sorted() }
}
