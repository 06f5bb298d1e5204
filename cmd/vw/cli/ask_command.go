// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/ask"
	"vworkspace.io/fleet/placement"
)

// asking is one call of a command that makes an Operation. Its flags are read twice: those that are the same for all templates first (read), to find the template,
// and all of them when it is known (parse).
type asking struct {
	env   *Env
	cmd   *cobra.Command
	t     opsv1alpha1.OperationType
	flags *askFlags
	words []string // the command's arguments, flags among them

	help      bool
	named     string   // the template in the first argument
	stray     []string // arguments where there should be none
	client    client.WithWatch
	namespace string
	ground    ask.Ground
	aim       ask.Aim

	template   *opsv1alpha1.OperationTemplate // nil where each cluster finds its own
	candidates []string                       // of them, then
	parameters []*parameterFlag
	notes      []string // for the person
}

func (a *asking) run(ctx context.Context) error {
	first, err := a.read()
	if err != nil {
		return err
	}
	if a.help && a.t == "" && a.named == "" {
		return a.cmd.Help()
	}
	if err := a.connect(ctx); err != nil {
		return a.orHelp(err)
	}
	if err := a.look(ctx, first); err != nil {
		return a.orHelp(err)
	}
	if err := errors.Join(a.parse(), a.flags.output.Check()); err != nil {
		return err
	}
	if a.help {
		return a.printHelp()
	}
	request, err := a.request(ctx)
	if err != nil {
		return err
	}
	return a.carryOut(ctx, request)
}

// read the flags that are the same for all templates. The others, and their values, are passed over.
func (a *asking) read() (*askFlags, error) {
	first := &askFlags{}
	probe := &cobra.Command{Use: a.cmd.Use}
	first.add(probe, a.t == "")
	flags := probe.Flags()
	flags.BoolVarP(&a.help, "help", "h", false, "")
	flags.AddFlagSet(a.cmd.InheritedFlags())
	flags.ParseErrorsAllowlist.UnknownFlags = true
	if err := flags.Parse(a.words); err != nil {
		return nil, err
	}
	a.stray = beforeDash(flags)
	if a.t == "" && len(a.stray) > 0 {
		a.named, a.stray = a.stray[0], a.stray[1:]
	}
	return first, a.strayed()
}

// connect to the cluster, and find out what it is.
func (a *asking) connect(ctx context.Context) (err error) {
	if a.client, err = a.env.Client(); err != nil {
		return err
	}
	if a.namespace, err = a.env.Namespace(); err != nil {
		return err
	}
	a.ground, err = readGround(ctx, a.env, a.client, a.namespace)
	return err
}

// look at where it shall go, and for the template.
func (a *asking) look(ctx context.Context, first *askFlags) error {
	err := first.check()
	if err == nil {
		a.aim, err = first.where.Aim(a.ground)
	}
	if err != nil && !a.help {
		return err
	}
	return a.findTemplate(ctx, first)
}

// orHelp is what can be helped with where the cluster cannot be asked.
func (a *asking) orHelp(err error) error {
	if !a.help {
		return err
	}
	if helpErr := a.printHelp(); helpErr != nil {
		return helpErr
	}
	fmt.Fprintf(a.env.ErrOut, "\nThe parameters are not listed: %v\n", err)
	return nil
}

// parse all flags, now that they are known.
func (a *asking) parse() error {
	if err := a.addParameters(); err != nil {
		return err
	}
	a.cmd.DisableFlagParsing = false
	if err := a.cmd.ParseFlags(a.words); err != nil {
		return a.unknown(err)
	}
	if a.stray = beforeDash(a.cmd.Flags()); a.t == "" && len(a.stray) > 0 {
		if a.stray[0] != a.named {
			return fmt.Errorf("name one OperationTemplate, before its parameters: %s", a.cmd.UseLine())
		}
		a.stray = a.stray[1:]
	}
	err := a.strayed()
	if err != nil || a.help {
		return err
	}
	if err = a.flags.check(); err == nil {
		a.aim, err = a.flags.where.Aim(a.ground)
	}
	return err
}

// strayed is the error of arguments where there should be none.
func (a *asking) strayed() error {
	switch {
	case a.help || len(a.stray) == 0:
		return nil
	case a.t == opsv1alpha1.TypeRunCommand:
		return fmt.Errorf("%q: write the command after --, such as: vw exec ... -- %s", a.stray[0], strings.Join(a.stray, " "))
	}
	return fmt.Errorf("%q: this takes no more arguments; instances are named by --app", a.stray[0])
}

// beforeDash are the arguments that are before a --.
func beforeDash(flags *pflag.FlagSet) []string {
	if at := flags.ArgsLenAtDash(); at >= 0 {
		return flags.Args()[:at]
	}
	return flags.Args()
}

// typeOf the Operation.
func (a *asking) typeOf() opsv1alpha1.OperationType {
	if a.t == "" {
		return a.template.Spec.Type
	}
	return a.t
}

// request is what was said, put together.
func (a *asking) request(ctx context.Context) (ask.Request, error) {
	f := a.flags
	r := ask.Request{
		Namespace: a.namespace, Name: f.name, Type: a.typeOf(), Aim: a.aim, Follow: f.follow, InstancesAtOnce: f.atOnce,
		Timeout: f.timeout, Suspend: f.suspend, Approval: f.approval, ConcurrencyKey: f.key, DryRun: f.scope(),
	}
	var err error
	if r.Engine, err = f.engineOf(); err != nil {
		return r, err
	}
	if a.template != nil {
		r.Template = a.template.Name
	}
	if r.Window, err = ask.Window(f.window); err != nil {
		return r, err
	}
	if r.Parameters, err = a.readParameters(); err != nil {
		return r, err
	}
	if len(r.Aim.Clusters) > 0 && r.Aim.Target == "" {
		if r.Name == "" {
			r.Name = strings.ToLower(string(r.Type)) + "-" + rand.String(5)
		}
		r.Aim.Placement = r.Name
		if len(f.rollout.Canary) > 0 {
			return r, &ask.Invalid{Option: "canary", Message: "the clusters of --cluster are in one group: name a Placement that has several, or say --max-concurrency"}
		}
	}
	groups, known := []placement.Group(nil), false
	if len(f.rollout.Canary) > 0 && r.Aim.Placement != "" {
		if groups, known, err = readGroups(ctx, a.client, a.namespace, r.Aim.Placement); err != nil {
			return r, err
		}
	}
	r.Rollout, err = f.rollout.Spec(groups, known)
	return r, err
}

// readParameters of the file, of --set, and of the flags of the template's parameters; the latter go before the former.
func (a *asking) readParameters() (map[string]any, error) {
	parameters := map[string]any{}
	if path := a.flags.parameters; path != "" {
		text, err := readFile(a.env.In, path)
		if err == nil {
			parameters, err = ask.ParseObject(text)
		}
		if err != nil {
			return nil, &ask.Invalid{Option: "parameters", Message: fmt.Sprintf("%s: %v", path, err)}
		}
	}
	if err := ask.Set(a.template, parameters, a.flags.set); err != nil {
		return nil, err
	}
	for _, p := range a.parameters {
		if len(p.said) == 0 {
			continue
		}
		value, err := p.Value(p.said)
		if err != nil {
			return nil, err
		}
		ask.Merge(parameters, map[string]any{p.Name: value})
	}
	return parameters, a.addCommand(parameters)
}

// addCommand that was written after --.
func (a *asking) addCommand(parameters map[string]any) error {
	flags := a.cmd.Flags()
	at := flags.ArgsLenAtDash()
	if at < 0 || at == len(flags.Args()) {
		return nil
	}
	if a.typeOf() != opsv1alpha1.TypeRunCommand {
		return fmt.Errorf("a command after -- is for type RunCommand, and this is %s", a.typeOf())
	}
	if _, twice := parameters["command"]; twice {
		return &ask.Invalid{Option: "command", Message: "the command is after -- too: say it once"}
	}
	command := []any{}
	for _, word := range flags.Args()[at:] {
		command = append(command, word)
	}
	parameters["command"] = command
	return nil
}

// readFile by its path, or standard input for -.
func readFile(in io.Reader, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(path)
}
