// The lab's stand-in for Longhorn.
package main

func main() {}
