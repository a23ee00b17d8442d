import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow

/// Tiny models with experts, and runs that keep less than all of them.
enum ExpertModels {
  static let tokens = (0..<24).map { Int32($0 * 977 % 37) }

  static func convert(
    _ family: TinyModel.Family, _ format: RowFormat
  ) throws -> ConvertedStore {
    let folder = try ProjectFiles.TemporaryFolder()
    let model = TinyModel(
      family: family, seed: 3, width: 128, headDimension: 16, keyValueHeads: [4, 2, 1],
      feedForwardWidth: 96, expertCount: 8, activeCount: 3)
    try model.write(to: folder.path + "/tiny")
    return try ConvertedStore(folder.path + "/tiny", format)
  }

  static func options(_ sparsity: SparsityChoice = .dense, chunk: Int = 16) -> DecoderOptions {
    var options = DecoderOptions()
    options.sparsity = sparsity
    options.contextLength = 64
    options.threadCount = 2
    options.prefillChunk = chunk
    options.logitsRowCapacity = chunk
    return options
  }

  /// A run that keeps less than everything: `percent` of the way from no window to room for all.
  static func windowed(
    _ store: WeightStore, _ sparsity: SparsityChoice = .dense, percent: Int, chunk: Int = 16,
    unit: Int? = nil
  ) throws -> DecoderOptions {
    var options = options(sparsity, chunk: chunk)
    options.storage.residency = .window
    return try DecoderRuns.limited(options, store, percent: percent, unit: unit)
  }
}
