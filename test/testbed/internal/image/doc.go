// Package image writes container images from scratch, byte for byte repeatable, as one archive that is both
// an OCI image layout and a docker archive; no container engine is needed.
package image
