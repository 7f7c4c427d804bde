package main

import "github.com/dobyte/due/v2/encoding/json"

// codec is due's JSON; into a *[]byte it puts what came as it is.
type codec struct{}

func (codec) Name() string                  { return json.Name }
func (codec) Marshal(v any) ([]byte, error) { return json.Marshal(v) }

func (codec) Unmarshal(data []byte, v any) error {
	if raw, is := v.(*[]byte); is {
		*raw = data
		return nil
	}
	return json.Unmarshal(data, v)
}
