// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
)

// inRoot runs the test where the generator runs: in the root of the module.
func inRoot(t *testing.T) {
	t.Helper()
	t.Chdir("../..")
}

func TestTheTreeHoldsWhatIsGenerated(t *testing.T) {
	inRoot(t)
	files, err := render()
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range files {
		got, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%v: run make generate", err)
		} else if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: run make generate (-generated +in the tree):\n%s", file, diff)
		}
	}
	for _, folder := range []string{schemaFolder, catalogFolder} {
		there, err := filepath.Glob(folder + "/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range there {
			if _, made := files[file]; !made {
				t.Errorf("%s is made by nothing: run make generate", file)
			}
		}
	}
}

func TestWriteRemovesWhatIsNotMadeAnyMore(t *testing.T) {
	t.Chdir(t.TempDir())
	const before, now = schemaFolder + "/gone.parameters.json", schemaFolder + "/job.parameters.json"
	for _, file := range []string{before, now} {
		if err := write(map[string][]byte{file: []byte(file)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(before); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", before, err)
	}
	if got, err := os.ReadFile(now); err != nil || string(got) != now {
		t.Errorf("%s holds %q: %v", now, got, err)
	}
}

func TestDescribe(t *testing.T) {
	for comment, want := range map[string]string{
		"TTL is how long it is kept.\nDefault 1h.": "How long it is kept. Default 1h.",
		"TTL are two.":          "Two.",
		"TTL bounds it.":        "Bounds it.",
		"TTL is spec.timeout.":  "spec.timeout.",
		"TTL of it.":            "TTL of it.",
		"Not the name, TTL is.": "Not the name, TTL is.",
		"":                      "",
	} {
		if got := describe(comment, "TTL", "ttl"); got != want {
			t.Errorf("%q is described as %q, want %q", comment, got, want)
		}
	}
	if got, want := describe("BackupName of it.", "BackupName", "backupName"), "backupName of it."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPresence(t *testing.T) {
	for description, want := range map[string][2]string{
		"The image. Required.":                               {"required", "The image."},
		"It. Required with method a.":                        {"required with method a", "It."},
		"It. Default false: spec.timeout bounds it. Or not.": {"`false`: spec.timeout bounds it", "It. Or not."},
		"It, such as 1.2.3. Default: what there is.":         {"what there is", "It, such as 1.2.3."},
		"It. Required where it is. Default: none.":           {"required where it is; default: none", "It."},
		"It. Default 7. Only then.":                          {"`7`", "It. Only then."},
	} {
		presence, rest := splitPresence(description)
		if got := [2]string{presenceOf(presence), rest}; got != want {
			t.Errorf("%q is split into %q, want %q", description, got, want)
		}
	}
}

func TestCommentsThatStopTheGenerator(t *testing.T) {
	for name, c := range map[string]struct {
		description string
		required    []string
		want        string
	}{
		"nothing said": {"The image.", nil, "a.image: the comment says neither Required nor Default"},
		"no comment":   {"", nil, "a.image: the comment says neither"},
		"not required": {"The image. Required.", nil, `a.image: the comment says "Required", and its json tag has omitempty`},
		"is required":  {"The image. Default a.", []string{"image"}, `a.image: the comment says "Default a", and its json tag lacks omitempty`},
	} {
		t.Run(name, func(t *testing.T) {
			s := &jsonschema.Schema{Description: "It.", Properties: jsonschema.NewProperties(), Required: c.required}
			s.Properties.Set("image", &jsonschema.Schema{Type: "string", Description: c.description})
			for parent, s := range map[string]*jsonschema.Schema{"": s, "[]": {Description: "They.", Items: s}} {
				err := checkComments(s, "a")
				if want := strings.Replace(c.want, "a.", "a"+parent+".", 1); err == nil || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("got %v, want %s", err, want)
				}
			}
		})
	}
	if err := checkComments(&jsonschema.Schema{}, "a"); err == nil || err.Error() != "a has no doc comment" {
		t.Errorf("got %v", err)
	}
}
