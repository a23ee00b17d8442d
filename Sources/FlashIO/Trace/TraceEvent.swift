/// One thing that happened in a traced run: numbers of fixed size, so that recording copies a few
/// words. Times are `MonotonicClock.nanoseconds`.
package enum TraceEvent: Sendable, Equatable {
  /// A chunk of tokens enters the decoder.
  case forwardBegan(TraceForward)
  /// It left it. `windowByteCount` is what the window's filled slots hold, `isWhole` false where
  /// the chunk was cancelled or failed.
  case forwardEnded(time: Int, windowByteCount: Int, isWhole: Bool)
  case layerBegan(layer: Int, time: Int)
  case layerEnded(TraceLayer)
  case span(TraceSpan)
  /// A read came back; its beginning is earlier than the events before this one.
  case read(TraceRead)
  /// What a layer wants for the chunk. A layer's set may come in several parts.
  case strides(TraceStrides)
  /// Reads that the device has at the moment, noted when their number changed.
  case readsInFlight(count: Int, time: Int)
}

/// A chunk of tokens that goes through all layers together: in decode one token.
package struct TraceForward: Sendable, Equatable {
  /// Counts the chunks of a recording from 0.
  package var index: Int
  /// Of the first token in the context.
  package var position: Int
  package var tokenCount: Int
  /// Prefill, or decode.
  package var isPrompt: Bool
  package var time: Int

  package init(index: Int, position: Int, tokenCount: Int, isPrompt: Bool, time: Int) {
    self.index = index
    self.position = position
    self.tokenCount = tokenCount
    self.isPrompt = isPrompt
    self.time = time
  }
}

/// What the window did between a layer's beginning and its end.
package struct TraceLayer: Sendable, Equatable {
  package var layer: Int
  package var time: Int
  /// Strides that were wanted and in DRAM, and wanted and not.
  package var hits = 0
  package var misses = 0
  /// Neurons that were computed.
  package var neurons = 0
  /// Bytes of the misses, and bytes asked of flash for them: merged and in whole units.
  package var wantedByteCount = 0
  package var askedByteCount = 0
  /// Strides that were begun to be read for the next layer on a guess, and strides of this layer
  /// that a guess before had brought.
  package var guessesIssued = 0
  package var guessesUsed = 0

  package init(layer: Int, time: Int) {
    self.layer = layer
    self.time = time
  }
}

/// A run of time that the engine's thread spent on one thing.
package struct TraceSpan: Sendable, Equatable {
  package enum Kind: UInt8, Sendable, CaseIterable {
    /// Arithmetic on all threads; of experts that a thread computes alone all parts at once.
    case attention, predictor, gateUp, down, experts, head
    /// Arithmetic waited for bytes.
    case stall
    /// While it waited, the next layer's neurons were guessed; counts as stall.
    case lookAhead
    /// Events were written to the trace.
    case trace

    package var isArithmetic: Bool { rawValue <= Kind.head.rawValue }
    /// Whether the footer counts it as stall.
    package var isStall: Bool { self == .stall || self == .lookAhead }
  }

  package var kind: Kind
  /// -1 outside the layers.
  package var layer: Int
  package var start: Int
  package var end: Int

  package init(kind: Kind, layer: Int, start: Int, end: Int) {
    self.kind = kind
    self.layer = layer
    self.start = start
    self.end = end
  }

  package var duration: Int { end - start }
}

/// What reads are for: whoever submits them says it, engines only pass it on.
package struct ReadLabel: Sendable, Equatable {
  package enum Purpose: UInt8, Sendable, CaseIterable {
    /// Neurons that fire and are not in DRAM.
    case demand
    /// Neurons that the next layer may want.
    case guess
    /// Weights that pass through the stream ring, read ahead of their use.
    case stream
    /// Rows of an embedding.
    case row
  }

  /// The layer that wants the bytes; -1 outside the layers.
  package var layer: Int
  package var purpose: Purpose

  package init(layer: Int, purpose: Purpose) {
    self.layer = layer
    self.purpose = purpose
  }
}

/// A read from the moment it was put in flight to the moment its completion was seen, which is
/// later than the device was done where nobody looked.
package struct TraceRead: Sendable, Equatable {
  /// Counts the reads of a recording in the order they were submitted, from 1.
  package var number: Int
  /// Index of the file among the engine's.
  package var fileIndex: Int
  package var extent: FileExtent
  package var label: ReadLabel
  package var start: Int
  package var end: Int
  package var isFailed: Bool

  package init(
    number: Int, fileIndex: Int, extent: FileExtent, label: ReadLabel, start: Int, end: Int,
    isFailed: Bool = false
  ) {
    self.number = number
    self.fileIndex = fileIndex
    self.extent = extent
    self.label = label
    self.start = start
    self.end = end
    self.isFailed = isFailed
  }

  package var duration: Int { end - start }
}

/// Where in the recorder's text a layer's wanted strides are, coded as `StrideGaps` has them.
package struct TraceStrides: Sendable, Equatable {
  package var layer: Int
  package var count: Int
  package var text: Range<Int>

  package init(layer: Int, count: Int, text: Range<Int>) {
    self.layer = layer
    self.count = count
    self.text = text
  }
}
