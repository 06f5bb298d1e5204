// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
)

// sbom lists, as CycloneDX, the modules that the linker put into a binary, as the binary itself says. What it does not hold is not listed, whatever
// go.mod requires.
func (o *Options) sbom(p Program, info *debug.BuildInfo) ([]byte, error) {
	main := module(&info.Main, cyclonedx.ComponentTypeApplication)
	main.Name, main.Version, main.Description = p.Name, o.Version, p.Description
	main.PackageURL = fmt.Sprintf("pkg:golang/%s@%s#%s", info.Main.Path, o.Version, strings.TrimPrefix(p.Package, "./"))
	main.BOMRef = main.PackageURL
	parts := []cyclonedx.Component{module(&debug.Module{Path: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go")}, cyclonedx.ComponentTypeLibrary)}
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			dep = dep.Replace
		}
		parts = append(parts, module(dep, cyclonedx.ComponentTypeLibrary))
	}
	refs := make([]string, 0, len(parts))
	for _, part := range parts {
		refs = append(refs, part.BOMRef)
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: o.Created.UTC().Format(time.RFC3339), Component: &main}
	bom.Components = &parts
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	var b bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&b, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// module is a Go module as a component. Its sum is Go's own hash of a module, which is none of the kinds that CycloneDX has.
func module(m *debug.Module, kind cyclonedx.ComponentType) cyclonedx.Component {
	url := "pkg:golang/" + m.Path + "@" + m.Version
	c := cyclonedx.Component{BOMRef: url, Type: kind, Name: m.Path, Version: m.Version, PackageURL: url, Scope: cyclonedx.ScopeRequired}
	if kind == cyclonedx.ComponentTypeApplication {
		c.Scope = ""
	}
	if m.Sum != "" {
		c.Properties = &[]cyclonedx.Property{{Name: "go:sum", Value: m.Sum}}
	}
	return c
}
