// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// maxNames of instances in one selector.
const maxNames = 256

// Where a person wants something to be done.
type Where struct {
	// Placement, by name, or Clusters, by theirs: hub only.
	Placement string
	Clusters  []string
	// Apps are names of instances, or catalog ids of all instances of an application, as far as the cluster that is asked knows them.
	Apps []string
	// Instances are names as they stand, also of instances that only their clusters know.
	Instances []string
	// Selector on the labels of instances.
	Selector *metav1.LabelSelector
	// Namespaces of instances.
	Namespaces []string
	// All instances of the namespace.
	All bool
}

// Ground is what is known of the cluster that is asked.
type Ground struct {
	// Hub tells that it is one.
	Hub bool
	// Namespace of the Operation.
	Namespace string
	// Instances of the namespace; Known tells whether they could be read.
	Instances []appsv1alpha1.ApplicationInstance
	Known     bool
}

// Aim is where an Operation goes.
type Aim struct {
	// Target is the one instance; empty when Selector says which.
	Target   string
	Selector *opsv1alpha1.InstanceSelector
	// Placement that is there, or Clusters that one has to be made for; neither for one instance, and on a cluster alone.
	Placement string
	Clusters  []string
	// Found are the instances that it is about, as far as they are known.
	Found []appsv1alpha1.ApplicationInstance
	// Notes say what words were taken for.
	Notes []string
}

// Aim of what a person wants.
func (w Where) Aim(g Ground) (Aim, error) {
	if err := w.check(g); err != nil {
		return Aim{}, err
	}
	a := Aim{Placement: w.Placement, Clusters: w.Clusters}
	names, err := w.names(g, &a)
	if err != nil {
		return Aim{}, err
	}
	narrow := w.Placement == "" && w.Selector == nil && len(w.Namespaces) == 0
	switch here := w.here(g, a.Found); {
	case narrow && len(names) == 1 && (here || !g.Hub):
		return Aim{Target: names[0], Found: a.Found, Notes: a.Notes}, nil
	case g.Hub && w.Placement == "" && len(w.Clusters) == 0:
		return Aim{}, w.nowhere(a.Found)
	case len(names) > maxNames:
		return Aim{}, invalid("app", "%d instances are more than the %d that one Operation can name: pick them by their labels, --selector", len(names), maxNames)
	}
	a.Selector = &opsv1alpha1.InstanceSelector{LabelSelector: w.Selector, Namespaces: w.Namespaces, Names: names}
	if len(names) == 0 {
		a.Found = selected(g.Instances, a.Selector)
	}
	return a, nil
}

// check what cannot be together, or is missing.
func (w Where) check(g Ground) error {
	picks := len(w.Apps)+len(w.Instances)+len(w.Namespaces) > 0 || w.Selector != nil
	switch {
	case w.All && picks:
		return invalid("all", "not together with what picks instances: leave it out, or --app, --instance, --selector and --instance-namespace")
	case g.Hub:
		return w.checkOnHub(picks)
	case w.Placement != "":
		return invalid("placement", "this cluster is no hub, and what is asked for here runs here: leave it out")
	case len(w.Clusters) > 0:
		return invalid("cluster", "this cluster is no hub, and what is asked for here runs here: leave it out")
	case !picks && !w.All:
		return invalid("app", "say what to act on: --app NAME, --selector LABELS, or --all for every instance in namespace %s", g.Namespace)
	}
	return nil
}

func (w Where) checkOnHub(picks bool) error {
	clusters := len(w.Clusters) > 0
	switch {
	case w.Placement != "" && clusters:
		return invalid("cluster", "not together with --placement, which says which clusters: leave one of them out")
	case w.Placement == "" && !clusters && !picks:
		return invalid("placement", "say where: --placement NAME or --cluster NAME for clusters, or --app NAME for one instance")
	}
	return nil
}

// names of the instances that were said, in the order of the alphabet.
func (w Where) names(g Ground, a *Aim) ([]string, error) {
	names := slices.Clone(w.Instances)
	for _, name := range w.Instances {
		for _, instance := range g.Instances {
			if instance.Name == name {
				a.Found = append(a.Found, instance)
			}
		}
	}
	for _, word := range w.Apps {
		if !g.Known {
			a.Notes = append(a.Notes, fmt.Sprintf("%s is taken for the name of an instance: you may not list the instances of namespace %s", word, g.Namespace))
			names = append(names, word)
			continue
		}
		found, note, err := meant(word, g)
		if err != nil {
			return nil, err
		}
		there := slices.DeleteFunc(found, func(i appsv1alpha1.ApplicationInstance) bool {
			return len(w.Clusters) > 0 && !slices.Contains(w.Clusters, clusterOf(&i))
		})
		if len(there) == 0 {
			return nil, invalid("app", "no instance of %s is on %s", word, strings.Join(w.Clusters, ", "))
		}
		if note != "" {
			a.Notes = append(a.Notes, fmt.Sprintf(note, counted(len(there), "instance")))
		}
		a.Found = append(a.Found, there...)
		for i := range there {
			names = append(names, there[i].Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// meant by a word: the instance of that name, or else all of that catalog id.
func meant(word string, g Ground) (found []appsv1alpha1.ApplicationInstance, note string, err error) {
	var known []string
	for _, instance := range g.Instances {
		known = append(known, instance.Name, instance.Spec.AppRef.CatalogID)
		if instance.Name == word {
			return []appsv1alpha1.ApplicationInstance{instance}, "", nil
		}
		if instance.Spec.AppRef.CatalogID == word {
			found = append(found, instance)
		}
	}
	if len(found) > 0 {
		return found, word + " is %s, by catalog id", nil
	}
	hint := ""
	if g.Hub {
		hint = "; instances that only their clusters know are named by --instance, or picked by --selector"
	}
	return nil, "", invalid("app", "no instance in namespace %s has the name or the catalog id %s%s%s", g.Namespace, word, DidYouMean(word, known), hint)
}

// here tells whether the one instance that was found is where an Operation on it would go by itself.
func (w Where) here(g Ground, found []appsv1alpha1.ApplicationInstance) bool {
	if len(found) != 1 {
		return false
	}
	cluster := clusterOf(&found[0])
	return !g.Hub || cluster != "" && (len(w.Clusters) == 0 || slices.Contains(w.Clusters, cluster))
}

// nowhere is the error of what says which instances, and not on which clusters.
func (w Where) nowhere(found []appsv1alpha1.ApplicationInstance) error {
	if len(found) == 0 {
		return invalid("placement", "say on which clusters: --placement NAME, or --cluster NAME")
	}
	var clusters []string
	for i := range found {
		clusters = append(clusters, clusterOf(&found[i]))
	}
	slices.Sort(clusters)
	clusters = slices.DeleteFunc(slices.Compact(clusters), func(c string) bool { return c == "" })
	hint := ""
	if n := len(clusters); n > 0 && n <= 8 {
		hint = ", such as --cluster " + strings.Join(clusters, " --cluster ")
	}
	return invalid("placement", "%s: say on which clusters: --placement NAME, or --cluster NAME%s", counted(len(found), "instance"), hint)
}

// clusterOf an instance on the hub; empty when it was not delivered anywhere.
func clusterOf(instance *appsv1alpha1.ApplicationInstance) string {
	if instance.Status.Cluster != "" {
		return instance.Status.Cluster
	}
	return instance.Labels[appsv1alpha1.LabelClusterID]
}

// selected are the instances that a selector without names picks.
func selected(instances []appsv1alpha1.ApplicationInstance, s *opsv1alpha1.InstanceSelector) []appsv1alpha1.ApplicationInstance {
	var found []appsv1alpha1.ApplicationInstance
	for i := range instances {
		if matches(&instances[i], s) {
			found = append(found, instances[i])
		}
	}
	return found
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
