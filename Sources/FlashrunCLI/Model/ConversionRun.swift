internal import FlashKernels
internal import FlashWeights
internal import Flashrun

/// One conversion with its words: the disk it needs, progress, and the converter's remarks.
struct ConversionRun {
  let source: String
  let target: String
  let formats: StoreFormats
  let layout: Layout?
  var preTokenizer: String?
  let overwrite: Bool
  let console: Console

  /// - Throws: `StoreError`, which names file and tensor.
  @discardableResult
  func run() throws(StoreError) -> StoreManifest {
    var options = ConversionOptions(
      formats: formats, layout: layout, overwrite: overwrite, generator: Version.generator)
    options.preTokenizer = preTokenizer
    // One more than the cores: while a thread waits for the device, another turns and packs.
    options.threadCount = WorkerPool.physicalCoreCount + 1
    let converter = try Converter(source: source, target: target, options: options)
    try Interrupts.explainPartialStore(at: target, console: console)
    let free = try converter.freeByteCount()
    console.notice(
      "\(Units.bytes(converter.requiredByteCount)) of disk needed at \(target), "
        + "\(Units.bytes(free)) free")
    let progress = ProgressReporter("convert", unit: .bytes, console: console)
    defer { progress.finish() }
    let manifest = try converter.run { progress.update($0, of: $1) }
    for note in manifest.notes { console.warning(note) }
    return manifest
  }
}
