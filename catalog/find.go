// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/expressions"
)

// Book compiles templates once, and finds the one that an Operation follows. The zero value is ready.
type Book struct {
	mu   sync.Mutex
	read map[string]page
}

// page is a template that was compiled, or what is wrong with it.
type page struct {
	uid        types.UID
	generation int64
	entry      *Entry
	wrong      field.ErrorList
}

// Request is what is asked, and what is known of it.
type Request struct {
	// Operation that is asked for.
	Operation *opsv1alpha1.Operation
	// Engine that it runs on, also when its spec leaves it out; empty when that is not known.
	Engine opsv1alpha1.OperationEngine
	// Instance that it acts on; nil when that is not known, or when it is many.
	Instance *appsv1alpha1.ApplicationInstance
	// Release is the HelmRelease of the instance; nil when that is not known or there is none.
	Release *metav1.ObjectMeta
	// ChartDecides tells that Engine is empty because the chart of the instance's release says which it is, which is known on its cluster.
	ChartDecides bool
	// AgentKnows tells that Release is nil because there is none. The hub does not know releases, and leaves what is said of them to the agents.
	AgentKnows bool
}

// Problem is why no template is followed.
type Problem struct {
	Reason, Message string
	// Final tells that waiting does not help.
	Final bool
	// Fields are what is wrong with the Operation, which Message says too; empty when the catalog stands in the way.
	Fields field.ErrorList
}

// invalid is a problem that only another Operation solves.
func invalid(fields field.ErrorList) *Problem {
	return &Problem{Reason: opsv1alpha1.ReasonValidationFailed, Message: fields.ToAggregate().Error(), Final: true, Fields: fields}
}

// NewRequest is what is asked where an Operation was created, with the instance that its spec.targetRef names; nil where there is none.
func NewRequest(op *opsv1alpha1.Operation, instance *appsv1alpha1.ApplicationInstance) Request {
	request := Request{Operation: op, Engine: op.Spec.Engine, Instance: instance}
	switch {
	case instance == nil || request.Engine != "":
	case instance.ChartMayAdvertise():
		request.ChartDecides = true
	default:
		request.Engine = opsv1alpha1.OperationEngine(instance.Annotations[op.Spec.Type.Capability()])
	}
	return request
}

// Follow finds the templates that an Operation follows, as Find does, and has the one, if it is one, look at the parameters; which of several it will be,
// each cluster knows, and looks then. Strings that hold expressions are looked at when they have been filled in. With a problem of the parameters comes the template that has it.
func (b *Book) Follow(r Request, templates []opsv1alpha1.OperationTemplate) (Choice, *Problem) {
	choice, problem := b.Find(r, templates)
	one := choice.One()
	if spec := &r.Operation.Spec; problem != nil || one == nil || spec.RollbackOf != nil && spec.Parameters == nil {
		return choice, problem // or each instance is given parameters of its own
	}
	parameters := r.Operation.Spec.Parameters
	if errs := one.Takes(parameters, expressions.Places(parameters)...); len(errs) > 0 {
		return choice, invalid(errs)
	}
	return choice, nil
}

// Choice are the templates that an Operation may follow.
type Choice struct {
	// Entries that it is, for all that is known; several are for an engine each.
	Entries []*Entry
	// Perhaps are those that are some targets' own, where it is open which targets there are.
	Perhaps []*Entry
	// Open tells that each cluster chooses, by what it knows of its targets.
	Open bool
}

// All that an Operation may follow: whoever may not run one of them, may not run it.
func (c Choice) All() []*Entry { return slices.Concat(c.Entries, c.Perhaps) }

// Same templates, in the same form, as another choice of them.
func (c Choice) Same(other Choice) bool {
	forms := func(c Choice) []opsv1alpha1.TemplateRef {
		var all []opsv1alpha1.TemplateRef
		for _, e := range c.All() {
			all = append(all, *e.Reference())
		}
		slices.SortFunc(all, func(a, b opsv1alpha1.TemplateRef) int { return strings.Compare(a.Name, b.Name) })
		return all
	}
	return slices.Equal(forms(c), forms(other))
}

// One that is followed, whoever looks; nil where that is open, or there is none.
func (c Choice) One() *Entry {
	if c.Open || len(c.Entries) != 1 {
		return nil
	}
	return c.Entries[0]
}

// Find the template that an Operation follows. Where the engine that it runs on is not known here, each cluster chooses, and there may be several; otherwise there
// is one, or a problem.
func (b *Book) Find(r Request, templates []opsv1alpha1.OperationTemplate) (Choice, *Problem) {
	if ref := r.Operation.Spec.TemplateRef; ref != nil {
		return b.named(r, ref, templates)
	}
	general, special, broken := b.matching(r, templates)
	found := general
	if len(special) > 0 && r.Instance != nil {
		found = special
	}
	switch {
	case r.Engine == "" && (r.ChartDecides || r.Instance == nil && len(general) > 1) && oneForEach(general) && len(general)+len(special) > 0:
		return Choice{Entries: general, Perhaps: special, Open: true}, nil
	case len(found) == 1:
		return Choice{Entries: found}, nil
	case len(found) > 1:
		return Choice{}, &Problem{Reason: opsv1alpha1.ReasonAmbiguousTemplate, Message: fmt.Sprintf(
			"several OperationTemplates are for %s: name one in spec.templateRef.name of a new Operation: %s", describe(r), names(found))}
	case broken != nil:
		return Choice{}, broken
	}
	return Choice{}, &Problem{Reason: opsv1alpha1.ReasonNoTemplate, Message: fmt.Sprintf(
		"no OperationTemplate is for %s%s", describe(r), others(r, templates))}
}

// named is the template of spec.templateRef.
func (b *Book) named(r Request, ref *opsv1alpha1.TemplateRef, templates []opsv1alpha1.OperationTemplate) (Choice, *Problem) {
	i := slices.IndexFunc(templates, func(t opsv1alpha1.OperationTemplate) bool { return t.Name == ref.Name })
	if i < 0 {
		return Choice{}, &Problem{Reason: opsv1alpha1.ReasonNoTemplate, Message: fmt.Sprintf(
			"spec.templateRef.name: there is no OperationTemplate %q%s", ref.Name, others(r, templates))}
	}
	t := &templates[i]
	entry, wrong := b.compile(t)
	spec := &r.Operation.Spec
	refused := func(name, format string, args ...any) (Choice, *Problem) {
		return Choice{}, invalid(field.ErrorList{field.Forbidden(field.NewPath("spec", name), fmt.Sprintf(format, args...))})
	}
	switch {
	case len(wrong) > 0:
		return Choice{}, brokenTemplate(t, wrong)
	case ref.Digest != "" && ref.Digest != entry.Digest:
		return Choice{}, &Problem{Reason: opsv1alpha1.ReasonTemplateChanged, Message: fmt.Sprintf(
			"OperationTemplate %s is not the one that was asked for: its digest is %.12s..., and spec.templateRef.digest is %.12s...; "+
				"bring the two catalogs together, or create a new Operation", ref.Name, entry.Digest, ref.Digest)}
	case t.Spec.Type != spec.Type:
		return refused("type", "OperationTemplate %s is for %s, not for %s", ref.Name, t.Spec.Type, spec.Type)
	case spec.Engine != "" && t.Spec.Engine != spec.Engine:
		return refused("engine", "OperationTemplate %s runs on %s, not on %s: leave spec.engine out", ref.Name, t.Spec.Engine, spec.Engine)
	case !entry.allows(r.Operation.Namespace, r.Instance):
		return Choice{}, &Problem{Reason: opsv1alpha1.ReasonNamespaceNotAllowed, Message: fmt.Sprintf(
			"OperationTemplate %s may not be used in namespace %s: it is for %s", ref.Name, r.Operation.Namespace, strings.Join(t.Spec.AllowedNamespaces, ", "))}
	case r.Instance != nil && !entry.isFor(r, true):
		return Choice{}, &Problem{Reason: opsv1alpha1.ReasonNoTemplate, Message: fmt.Sprintf(
			"OperationTemplate %s is not for ApplicationInstance %s: see its spec.targetSelector", ref.Name, r.Instance.Name)}
	}
	return Choice{Entries: []*Entry{entry}}, nil
}

// matching are the templates of a type and an engine for a target: those for all, and those with a selector that is its own, or that may be its own where the
// target is not known and neither is the engine. broken is one that would be among them if it made sense.
func (b *Book) matching(r Request, templates []opsv1alpha1.OperationTemplate) (general, special []*Entry, broken *Problem) {
	for i := range templates {
		t := &templates[i]
		if t.Spec.Type != r.Operation.Spec.Type || (r.Engine != "" && t.Spec.Engine != r.Engine) {
			continue
		}
		entry, wrong := b.compile(t)
		switch {
		case len(wrong) > 0:
			broken = brokenTemplate(t, wrong)
		case !entry.allows(r.Operation.Namespace, r.Instance):
		case t.Spec.TargetSelector == nil:
			general = append(general, entry)
		case r.Instance == nil && r.Engine == "", r.Instance != nil && entry.isFor(r, r.ChartDecides):
			special = append(special, entry)
		}
	}
	return general, special, broken
}

func brokenTemplate(t *opsv1alpha1.OperationTemplate, wrong field.ErrorList) *Problem {
	return &Problem{Reason: opsv1alpha1.ReasonTemplateInvalid, Message: fmt.Sprintf("OperationTemplate %s: %v", t.Name, wrong.ToAggregate())}
}

// compile a template, unless that has been done.
func (b *Book) compile(t *opsv1alpha1.OperationTemplate) (*Entry, field.ErrorList) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, ok := b.read[t.Name]; ok && p.uid == t.UID && p.generation == t.Generation && t.UID != "" {
		return p.entry, p.wrong
	}
	if b.read == nil || len(b.read) > 4096 {
		b.read = map[string]page{}
	}
	kept := t.DeepCopy()
	entry, wrong := Compile(kept)
	b.read[t.Name] = page{t.UID, t.Generation, entry, wrong}
	return entry, wrong
}

// allows tells whether a namespace may use the template: that of the Operation, or that of the instance below an Operation that spans namespaces.
func (e *Entry) allows(namespace string, instance *appsv1alpha1.ApplicationInstance) bool {
	allowed := e.Template.Spec.AllowedNamespaces
	if instance != nil {
		namespace = instance.Namespace
	}
	return len(allowed) == 0 || slices.Contains(allowed, namespace)
}

// isFor tells whether the template is for an instance. What nobody here can tell holds when it is benign.
func (e *Entry) isFor(r Request, benign bool) bool {
	s := e.Template.Spec.TargetSelector
	if s == nil {
		return true
	}
	if len(s.CatalogIDs) > 0 && !slices.Contains(s.CatalogIDs, r.Instance.Spec.AppRef.CatalogID) {
		return false
	}
	if !e.target.Matches(labels.Set(r.Instance.Labels)) || !carries(r.Instance.Annotations, s.Annotations) {
		return false
	}
	switch {
	case s.HelmRelease == nil:
		return true
	case r.Release == nil:
		return benign && !r.AgentKnows
	}
	return e.release.Matches(labels.Set(r.Release.Labels)) && carries(r.Release.Annotations, s.HelmRelease.Annotations)
}

func carries(there, wanted map[string]string) bool {
	for k, v := range wanted {
		if value, ok := there[k]; !ok || (v != "" && v != value) {
			return false
		}
	}
	return true
}

func oneForEach(entries []*Entry) bool {
	seen := map[opsv1alpha1.OperationEngine]bool{}
	for _, e := range entries {
		if seen[e.Template.Spec.Engine] {
			return false
		}
		seen[e.Template.Spec.Engine] = true
	}
	return true
}

func describe(r Request) string {
	text := string(r.Operation.Spec.Type)
	if r.Engine != "" {
		text += " with engine " + string(r.Engine)
	}
	if r.Instance != nil {
		text += " of ApplicationInstance " + r.Instance.Name
	}
	return text + " in namespace " + r.Operation.Namespace
}

func names(entries []*Entry) string {
	list := make([]string, 0, len(entries))
	for _, e := range entries {
		list = append(list, e.Template.Name)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// others are the templates of the type, which the requester may have meant.
func others(r Request, templates []opsv1alpha1.OperationTemplate) string {
	var list []string
	for i := range templates {
		if templates[i].Spec.Type == r.Operation.Spec.Type {
			list = append(list, templates[i].Name)
		}
	}
	if len(list) == 0 {
		return fmt.Sprintf(": install one with spec.type %s (kubectl get operationtemplates)", r.Operation.Spec.Type)
	}
	slices.Sort(list)
	if n := len(list) - 10; n > 0 {
		list = append(list[:10], fmt.Sprintf("and %d more", n))
	}
	return fmt.Sprintf("; for %s there are: %s", r.Operation.Spec.Type, strings.Join(list, ", "))
}
