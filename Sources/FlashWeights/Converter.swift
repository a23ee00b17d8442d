internal import Crypto

/// Turns a checkpoint or GGUF files into a store: what `convert` does, without its words on the
/// terminal.
///
/// Making a converter reads headers only and settles everything that can be settled before the
/// work: the target, the layout, the configuration, every tensor's source and shape, and the disk
/// need.
package struct Converter: Sendable {
  package let source: any ModelSource
  package let target: String
  package let options: ConversionOptions
  package let layout: Layout
  package let plan: StorePlan
  /// Remarks that are known before the work.
  package let notes: [String]
  let map: TensorMap
  /// Nil where none come with the model.
  let predictors: PredictorConversion?

  /// Throws a `StoreError` whose category is the exit code.
  package init(source: String, target: String, options: ConversionOptions) throws(StoreError) {
    try StoreTarget(target).requireFree(overwrite: options.overwrite)
    try self.init(readingOnly: source, target: target, options: options)
  }

  /// A conversion that is only looked at: `manifest` says what the store would be.
  package init(readingOnly source: String, options: ConversionOptions) throws(StoreError) {
    try self.init(readingOnly: source, target: "", options: options)
  }

  private init(
    readingOnly source: String, target: String, options: ConversionOptions
  ) throws(StoreError) {
    let source = try Self.open(source, options)
    let (layout, spelled) = try Layout.pair(for: source, given: options.layout)
    let configuration = try spelled.configuration(
      from: source.configuration, file: source.configurationPath)
    let isGGUF = source.spelling == .gguf
    map = try TensorMap(
      source: source, layout: spelled,
      pairs: isGGUF ? layout.gguf?.rotaryPairs ?? .halves : .halves, configuration: configuration)
    var formats = options.formats
    formats.kept = map.nearestFormats
    plan = StorePlan(configuration: configuration, formats: formats, biases: map.biases)
    for name in source.companionNames { _ = try source.companion(name) }
    let format = options.formats.feedForward
    predictors = try (source.predictors ?? map.predictors).map { predictors throws(StoreError) in
      try PredictorConversion(
        predictors, configuration: configuration, format: format, path: source.path)
    }
    var notes = source.notes + map.notes + (predictors.map { [$0.note] } ?? [])
    let unknown =
      isGGUF
      ? spelled.unknownMetadata(of: source.configuration)
      : layout.unknownKeys(of: source.configuration)
    if !unknown.isEmpty {
      let place = isGGUF ? "metadata" : "config.json"
      notes.append("\(place): ignored keys nobody knows: \(unknown.joined(separator: ", "))")
    }
    if !isGGUF, !source.companionNames.contains("tokenizer.json") {
      notes.append("the checkpoint has no tokenizer.json: text commands will not work")
    }
    self.notes = notes
    self.source = source
    self.layout = layout
    self.target = target
    self.options = options
  }

  /// A checkpoint folder, or the GGUF file that a path names.
  private static func open(
    _ path: String, _ options: ConversionOptions
  ) throws(StoreError) -> any ModelSource {
    guard case .gguf = ModelPath.kind(of: path) else { return try Checkpoint(folder: path) }
    return try GGUFSource(path: path, preTokenizer: options.preTokenizer)
  }

  /// Bytes that conversion reads.
  package var sourceByteCount: Int { map.byteCount }

  /// The manifest of the store as it would be, without checksums.
  package var manifest: StoreManifest {
    StoreManifest(
      formatVersion: StoreManifest.currentVersion, generator: options.generator, synthetic: nil,
      configuration: plan.configuration, layout: layout, tensors: plan.tensors,
      bundles: plan.bundles,
      source: SourceRecord(name: Folder.split(source.path).name, digest: source.digest),
      modelDigest: "", parameterCount: plan.parameterCount, notes: plan.notes + notes,
      companions: source.companionNames.map {
        CompanionFile(
          name: $0, byteCount: (try? source.companion($0))?.count ?? 0, checksum: "")
      }, checksum: "")
  }

  /// Bytes the store will take.
  package var requiredByteCount: Int { plan.byteCount + (predictors?.plan.byteCount ?? 0) }

  /// Bytes that are free where the store will lie.
  package func freeByteCount() throws(StoreError) -> Int {
    try Folder.freeByteCount(Folder.split(target).parent)
  }

  /// Converts, or takes up what a killed converter left, and returns the manifest; its notes are
  /// for the user's eyes. `progress` gets the bytes of the source read so far and of all.
  ///
  /// On an error nothing is left, except after an interruption. Memory: under 400 MB whatever the
  /// tensor. Throws every error of `StoreWriter` and of reading the source.
  package func run(
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws(StoreError) -> StoreManifest {
    let writer = try StoreWriter(
      target: target, plan: plan, fingerprint: try fingerprint(), overwrite: options.overwrite,
      besideByteCount: predictors?.plan.byteCount ?? 0, fault: options.fault)
    do {
      let conversion = RowConversion(self, writer)
      try conversion.run(progress: progress)
      let brought = try predictors.map { predictors throws(StoreError) in
        try writer.addPredictors { file throws(StoreError) in
          try predictors.run(conversion, into: file)
        }
      }
      for name in source.companionNames {
        try writer.addCompanion(name, bytes: try source.companion(name))
      }
      return try writer.finish(
        StoreOrigin(
          generator: options.generator, layout: layout,
          source: SourceRecord(
            name: Folder.split(source.path).name, digest: source.digest),
          predictors: brought?.layers, notes: notes + (brought?.notes ?? [])))
    } catch {
      writer.discard(after: error)
      throw error
    }
  }

  /// Names this work: equal only where the source, the layout and the plan are.
  private func fingerprint() throws(StoreError) -> String {
    SHA256.digest(
      lines: [options.generator, source.digest] + (try source.changeMarks()) + [
        String(decoding: JSONText.encode(layout), as: UTF8.self),
        String(decoding: JSONText.encode(plan.configuration), as: UTF8.self),
        String(decoding: JSONText.encode(plan.tensors), as: UTF8.self),
        String(decoding: JSONText.encode(plan.bundles), as: UTF8.self),
      ])
  }
}

/// What `convert` may be told.
package struct ConversionOptions: Sendable {
  package var formats: StoreFormats
  /// Nil: the layout inside the binary that recognizes the source.
  package var layout: Layout?
  /// How a GGUF file's tokenizer splits text, instead of what the file says.
  package var preTokenizer: String?
  /// Whether a store that is there already is replaced.
  package var overwrite: Bool
  package var threadCount: Int
  /// Program and version, for the manifest.
  package var generator: String
  package var fault: StoreFault?
  /// Tests make it small, so that small models meet every border.
  var memory = ConversionMemory()

  package init(
    formats: StoreFormats, layout: Layout? = nil, overwrite: Bool = false, threadCount: Int = 1,
    generator: String = "flashrun", fault: StoreFault? = nil
  ) {
    self.formats = formats
    self.layout = layout
    self.overwrite = overwrite
    self.threadCount = threadCount
    self.generator = generator
    self.fault = fault
  }
}

/// How much of a checkpoint is held at a time.
struct ConversionMemory: Sendable {
  /// Bytes of a slice of rows, as f32, that one thread works on; less where there are more than
  /// eight threads.
  var sliceByteCount = 4 << 20
  /// Bytes of down projection held at a time: the whole matrix of ordinary models, so that it is
  /// read in order, and a block of columns of larger ones.
  var columnByteCount = 192 << 20
}
