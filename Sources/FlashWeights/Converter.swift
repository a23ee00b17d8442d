internal import Crypto

/// Turns a checkpoint into a store: what `convert` does, without its words on the terminal.
///
/// Making a converter reads headers only and settles everything that can be settled before the
/// work: the target, the layout, the configuration, every tensor's source and shape, and the disk
/// need.
package struct Converter: Sendable {
  package let checkpoint: Checkpoint
  package let target: String
  package let options: ConversionOptions
  package let layout: Layout
  package let plan: StorePlan
  /// Remarks that are known before the work.
  package let notes: [String]
  let map: TensorMap

  /// Throws a `StoreError` whose category is the exit code.
  package init(source: String, target: String, options: ConversionOptions) throws(StoreError) {
    try StoreTarget(target).requireFree(overwrite: options.overwrite)
    let checkpoint = try Checkpoint(folder: source)
    let layout: Layout
    if let given = options.layout {
      layout = given
    } else {
      layout = try .recognizing(
        checkpoint.configuration, among: Layout.builtIn, file: checkpoint.configurationPath)
    }
    let configuration = try layout.configuration(
      from: checkpoint.configuration, file: checkpoint.configurationPath)
    map = try TensorMap(checkpoint: checkpoint, layout: layout, configuration: configuration)
    plan = StorePlan(
      configuration: configuration, formats: options.formats, biases: map.biases)
    for name in checkpoint.companionNames { _ = try checkpoint.companion(name) }
    var notes = map.notes
    let unknown = layout.unknownKeys(of: checkpoint.configuration)
    if !unknown.isEmpty {
      notes.append("config.json: ignored keys nobody knows: \(unknown.joined(separator: ", "))")
    }
    if !checkpoint.companionNames.contains("tokenizer.json") {
      notes.append("the checkpoint has no tokenizer.json: text commands will not work")
    }
    self.notes = notes
    self.checkpoint = checkpoint
    self.layout = layout
    self.target = target
    self.options = options
  }

  /// Bytes that conversion reads.
  package var sourceByteCount: Int { map.byteCount }

  /// Bytes the store will take.
  package var requiredByteCount: Int { plan.byteCount }

  /// Bytes that are free where the store will lie.
  package func freeByteCount() throws(StoreError) -> Int {
    try Folder.freeByteCount(Folder.split(target).parent)
  }

  /// Converts, or takes up what a killed converter left, and returns the manifest; its notes are
  /// for the user's eyes. `progress` gets the bytes of the checkpoint read so far and of all.
  ///
  /// On an error nothing is left, except after an interruption. Memory: under 400 MB whatever the
  /// tensor. Throws every error of `StoreWriter` and of reading the checkpoint.
  package func run(
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws(StoreError) -> StoreManifest {
    let writer = try StoreWriter(
      target: target, plan: plan, fingerprint: try fingerprint(), overwrite: options.overwrite,
      fault: options.fault)
    do {
      try RowConversion(self, writer).run(progress: progress)
      for name in checkpoint.companionNames {
        try writer.addCompanion(name, bytes: try checkpoint.companion(name))
      }
      return try writer.finish(
        StoreOrigin(
          generator: options.generator, layout: layout,
          source: SourceRecord(
            name: Folder.split(checkpoint.folder).name, digest: checkpoint.digest),
          notes: notes))
    } catch {
      writer.discard(after: error)
      throw error
    }
  }

  /// Names this work: equal only where the checkpoint, the layout and the plan are.
  private func fingerprint() throws(StoreError) -> String {
    SHA256.digest(
      lines: [options.generator, checkpoint.digest] + (try checkpoint.changeMarks()) + [
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
  /// Nil: the layout inside the binary that recognizes the checkpoint.
  package var layout: Layout?
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
