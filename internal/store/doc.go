// Package store is every file that one stage leaves for another: features, mappings and what says how they
// were made.
package store

// Version is the number of the format written here.
const Version = 1
