package import FlashModel

/// How a model is opened; what is not given is chosen and reported.
public struct EngineOptions: Sendable {
  /// Of the whole process: weights, KV cache, window, buffers and the runtime itself.
  public var memoryLimit: MemoryLimit = .automatic
  /// Positions of the KV cache; nil takes the most, up to 4096, that leaves room for the weights.
  public var contextLength: Int? {
    get { decoder.contextLength }
    set { decoder.contextLength = newValue }
  }
  /// Threads that compute; nil is one for each physical core. Never changes the text.
  public var threadCount: Int? {
    get { decoder.threadCount }
    set { decoder.threadCount = newValue }
  }
  /// Everything else that the decoder can be told.
  package var decoder = DecoderOptions()

  public init() {}
}
