package plan

// Rollout is what is known of bringing members to what the spec asks for.
type Rollout struct{}

// Versions is what is known of the versions that members run, and of the cluster's own.
type Versions struct {
	Moved bool // etcd's cluster version is that of the spec already: an older etcd does not start any more
}
