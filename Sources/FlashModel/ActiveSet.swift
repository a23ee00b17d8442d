/// The neurons of a layer that are computed, ascending: all of a run (dense), those that fire
/// (exact), or what a predictor names.
///
/// A view of scratch memory; it lives until the next layer.
@safe struct ActiveSet {
  /// Counted in the layer; nil where all of a run are active.
  let neurons: UnsafePointer<Int32>?
  /// The first neuron where all are active.
  private let first: Int
  let count: Int

  /// Every neuron of a run.
  static func all(_ neurons: Range<Int>) -> ActiveSet {
    unsafe ActiveSet(neurons: nil, first: neurons.lowerBound, count: neurons.count)
  }

  /// - Precondition: `neurons` are ascending.
  init(neurons: UnsafePointer<Int32>, count: Int) {
    unsafe self.init(neurons: neurons, first: 0, count: count)
  }

  private init(neurons: UnsafePointer<Int32>?, first: Int, count: Int) {
    unsafe self.neurons = unsafe neurons
    self.first = first
    self.count = count
  }

  /// The neuron at a place in the set.
  subscript(place: Int) -> Int {
    if let neurons = unsafe neurons { unsafe Int(neurons[place]) } else { first + place }
  }

  /// The neurons from a place on; nil where all of a run are active.
  func address(ofPlace place: Int) -> UnsafePointer<Int32>? {
    unsafe neurons.map { unsafe $0 + place }
  }

  var isAll: Bool { unsafe neurons == nil }

  /// Writes the strides that the neurons from a place on lie in, ascending, each once; returns
  /// their number.
  func collectStrides(
    from start: Int, neuronsPerStride: Int, into strides: UnsafeMutablePointer<Int32>
  ) -> Int {
    var count = 0
    for place in start..<self.count {
      let stride = Int32(self[place] / neuronsPerStride)
      if count > 0, unsafe strides[count - 1] == stride { continue }
      unsafe strides[count] = stride
      count += 1
    }
    return count
  }

  /// The first place from `start` on whose neuron is at least `neuron`.
  func firstPlace(atLeast neuron: Int, from start: Int) -> Int {
    var low = start
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < neuron { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
