package plan

// RuleDoc says what the rule of a Decision is for.
func RuleDoc(name string) string {
	for _, r := range rules {
		if r.name == name {
			return r.doc
		}
	}
	return "No rule asks for a step: the cluster is as wanted."
}
