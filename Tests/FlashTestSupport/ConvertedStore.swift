package import FlashKernels
package import FlashWeights
internal import Foundation

/// A checkpoint converted into a temporary store, which is removed when the value goes.
package final class ConvertedStore: Sendable {
  package let store: WeightStore
  private let folder: ProjectFiles.TemporaryFolder

  /// - Parameter inMemory: puts the store on a file system in memory where there is one, for tests
  ///   of thousands of reads by a simulated device.
  package init(_ checkpoint: String, _ formats: StoreFormats, inMemory: Bool = false) throws {
    folder = try ProjectFiles.TemporaryFolder(inMemory: inMemory)
    let target = folder.path + "/model.flash"
    let options = ConversionOptions(formats: formats, threadCount: 2)
    _ = try Converter(source: checkpoint, target: target, options: options).run()
    store = try WeightStore.open(target)
  }

  /// A synthetic store of the shape that a `config.json` describes.
  ///
  /// - Parameter activity: as `Synthesizer` takes it.
  package init(
    synthetic configuration: String, _ format: RowFormat, activity: Double?
  ) throws {
    folder = try ProjectFiles.TemporaryFolder()
    let path = folder.path + "/config.json"
    try Data(configuration.utf8).write(to: URL(filePath: path))
    let target = folder.path + "/model.flash"
    _ = try Synthesizer(
      shape: SynthShape(contentsOf: path), type: format, activity: activity, seed: 1
    ).write(to: target, tokenizer: nil)
    store = try WeightStore.open(target)
  }

  package convenience init(_ checkpoint: String, _ format: RowFormat) throws {
    try self.init(checkpoint, StoreFormats(format))
  }

  /// The bundled sample in one format.
  package static func sample(_ format: RowFormat) throws -> ConvertedStore {
    try ConvertedStore(ProjectFiles.sample, format)
  }
}
