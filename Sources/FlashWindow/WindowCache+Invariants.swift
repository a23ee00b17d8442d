/// What must hold between any two calls; tests check it after every operation.
extension WindowCache {
  package func checkInvariants() {
    for table in layers { table.checkInvariants() }
  }
}

extension SlotTable {
  func checkInvariants() {
    let order = order
    precondition(order.count == strideInSlot.count, "the list holds every slot")
    precondition(Set(order).count == order.count, "the list holds a slot once")
    var uses: [Int32] = []
    for slot in order {
      let stride = strideInSlot[slot]
      if stride < 0 {
        precondition(uses.isEmpty, "free slots come first")
        continue
      }
      precondition(slotOfStride[Int(stride)] == slot, "tables agree")
      uses.append(lastUse[slot])
    }
    precondition(uses == uses.sorted(), "slots are in order of use")
    let used = slotOfStride.filter { $0 >= 0 }
    precondition(used.count == uses.count, "no stride points to a slot that is not its own")
  }
}
