package models

func find(string, string, map[string]string, Input) (Card, error) { panic("being written") }
