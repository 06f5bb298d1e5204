// SPDX-License-Identifier: Apache-2.0

package expressions

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
)

// Bounds, so that hostile parameters cost little on a fleet of ten thousand clusters.
const (
	// MaxLength of an expression, in bytes, without its braces.
	MaxLength = 1024
	// MaxExpressions that differ, in the parameters of one Operation.
	MaxExpressions = 32
	// MaxPlaces at which expressions stand, in the parameters of one Operation.
	MaxPlaces = 64
	// MaxRow is how many bytes the values of all expressions may have together on one cluster, as JSON: a chunk of the plan holds five hundred.
	MaxRow = 1024
	// maxCost of evaluating one expression, in CEL's units: some hundred microseconds. Looking a label up costs less than ten.
	maxCost = 10_000
)

// Cluster is what expressions can ask for.
type Cluster struct {
	// Name of the ManagedCluster.
	Name string
	// Labels of the ManagedCluster.
	Labels map[string]string
	// Claims that the cluster has made (ClusterClaims), by their names.
	Claims map[string]string
}

func (c Cluster) activation() map[string]any {
	return map[string]any{variable + ".name": c.Name, variable + ".labels": c.Labels, variable + ".claims": c.Claims}
}

// Library is what CEL offers in all expressions of the project beside its standard: functions on text, sets and lists, optional values, and
// comparisons of numbers of different types.
func Library() []cel.EnvOption {
	return []cel.EnvOption{cel.OptionalTypes(), cel.CrossTypeNumericComparisons(true), ext.Strings(), ext.Sets(), ext.Lists()}
}

// environment of all expressions. The fields of the variable are declared and not the variable itself, so that a field which does not exist is an error
// wherever the expression is read.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	texts := cel.MapType(cel.StringType, cel.StringType)
	return cel.NewEnv(append(Library(),
		cel.Variable(variable+".name", cel.StringType), cel.Variable(variable+".labels", texts), cel.Variable(variable+".claims", texts),
	)...)
})

// yields are the types that an expression may have. What is not known before it is evaluated is checked then.
var yields = []*cel.Type{cel.StringType, cel.IntType, cel.DoubleType, cel.BoolType, cel.DynType}

const scalars = "a string, a number, true or false"

// advice to those who did not mean to write an expression.
const advice = "known are cluster.name, cluster.labels['KEY'] and cluster.claims['NAME']; a ${ that is meant as it stands is written $${"

func compile(text string) (cel.Program, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, fmt.Errorf("does not compile: %s; %s", first(issues), advice)
	}
	if !slices.ContainsFunc(yields, ast.OutputType().IsExactType) {
		return nil, fmt.Errorf("yields %s, and must yield %s", ast.OutputType(), scalars)
	}
	return env.Program(ast, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(1000))
}

// first of the issues, without what the parser repeats of the text: it may be a secret in the wrong place.
func first(issues *cel.Issues) string {
	e := issues.Errors()[0]
	if at, isSyntax := strings.CutPrefix(e.Message, "Syntax error: "); isSyntax && at != "" {
		return fmt.Sprintf("syntax error at character %d", e.Location.Column()+1)
	}
	return strings.ReplaceAll(e.Message, " (in container '')", "")
}

// evaluate an expression for a cluster.
func evaluate(p cel.Program, activation map[string]any) (any, error) {
	out, _, err := p.Eval(activation)
	if err != nil {
		return nil, err
	}
	return scalar(out)
}

func scalar(out ref.Val) (any, error) {
	switch v := out.Value().(type) {
	case string, int64, bool:
		return v, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errors.New("it yields no finite number")
		}
		return v, nil
	}
	return nil, fmt.Errorf("it yields %s, and must yield %s", out.Type().TypeName(), scalars)
}
