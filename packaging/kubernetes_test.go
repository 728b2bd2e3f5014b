package packaging

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// decodeManifests reads manifests as a server of Kubernetes does that is asked to be strict: a
// key that is unknown, written in another case or twice is an error. The kinds that it knows
// are those of our files.
func decodeManifests(text string) ([]any, error) {
	var all []any
	var errs []error
	for part := range strings.SplitSeq(text, "\n---\n") {
		var kind struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal([]byte(part), &kind); err != nil {
			return nil, err
		}
		var object any
		switch kind.APIVersion + " " + kind.Kind {
		case "apps/v1 Deployment":
			object = new(appsv1.Deployment)
		case "v1 Service":
			object = new(corev1.Service)
		case "v1 Secret":
			object = new(corev1.Secret)
		case "policy/v1 PodDisruptionBudget":
			object = new(policyv1.PodDisruptionBudget)
		case "networking.k8s.io/v1 NetworkPolicy":
			object = new(networkingv1.NetworkPolicy)
		default:
			errs = append(errs, fmt.Errorf("there is no %q of %q here", kind.Kind, kind.APIVersion))
			continue
		}
		asJSON, err := yaml.YAMLToJSONStrict([]byte(part))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", kind.Kind, err))
			continue
		}
		strict, err := kjson.UnmarshalStrict(asJSON, object)
		if err := errors.Join(append(strict, err)...); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", kind.Kind, err))
		}
		all = append(all, object)
	}
	return all, errors.Join(errs...)
}

// manifest returns the one object of a kind in a file.
func manifest[T any](t *testing.T, file string) T {
	t.Helper()
	all, err := decodeManifests(read(t, "kubernetes", file))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for _, object := range all {
		if found, ok := object.(*T); ok {
			return *found
		}
	}
	var none T
	t.Fatalf("%s has no %T", file, none)
	return none
}

func TestTheManifestsHaveNoKeyThatKubernetesDoesNotKnow(t *testing.T) {
	for _, file := range []string{"oneseat.yaml", "secret.yaml"} {
		if _, err := decodeManifests(read(t, "kubernetes", file)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	// The test of the test: each of these is found.
	good := read(t, "kubernetes", "oneseat.yaml")
	for from, to := range map[string]string{
		"readinessProbe:":           "readynessProbe:",
		"minAvailable: 1":           "minAvailble: 1",
		"replicas: 2":               "replicas: 2\n  replicas: 3",
		"replicas: ":                "Replicas: ",
		"runAsNonRoot: true":        "runAsNonRoot: 'true'",
		"kind: Service":             "kind: Servise",
		"apiVersion: policy/v1":     "apiVersion: policy/v1beta1",
		"ports:\n        - {port: ": "ports:\n        - {prot: ",
	} {
		bad := strings.Replace(good, from, to, 1)
		if bad == good {
			t.Errorf("there is no %q", from)
		}
		if _, err := decodeManifests(bad); err == nil {
			t.Errorf("%q passes for %q", to, from)
		}
	}
}

// What has the same name in two places is the same thing.
func TestTheManifestsBelongTogether(t *testing.T) {
	deployment := manifest[appsv1.Deployment](t, "oneseat.yaml")
	labels := fmt.Sprint(deployment.Spec.Template.Labels)
	for what, selector := range map[string]map[string]string{
		"Deployment":          deployment.Spec.Selector.MatchLabels,
		"spread":              deployment.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels,
		"Service":             manifest[corev1.Service](t, "oneseat.yaml").Spec.Selector,
		"PodDisruptionBudget": manifest[policyv1.PodDisruptionBudget](t, "oneseat.yaml").Spec.Selector.MatchLabels,
		"NetworkPolicy":       manifest[networkingv1.NetworkPolicy](t, "oneseat.yaml").Spec.PodSelector.MatchLabels,
	} {
		if fmt.Sprint(selector) != labels {
			t.Errorf("%s selects %v, and the pods have %v", what, selector, labels)
		}
	}
	if replicas := *deployment.Spec.Replicas; int(replicas) <= manifest[policyv1.PodDisruptionBudget](t, "oneseat.yaml").Spec.MinAvailable.IntValue() {
		t.Errorf("%d replicas, none of which may be taken away", replicas)
	}
	pod := deployment.Spec.Template.Spec
	container := pod.Containers[0]
	ports := map[string]bool{}
	for _, p := range container.Ports {
		ports[p.Name] = true
	}
	for what, port := range map[string]string{
		"Service":   manifest[corev1.Service](t, "oneseat.yaml").Spec.Ports[0].TargetPort.String(),
		"liveness":  container.LivenessProbe.HTTPGet.Port.String(),
		"readiness": container.ReadinessProbe.HTTPGet.Port.String(),
		"startup":   container.StartupProbe.HTTPGet.Port.String(),
		"callers":   manifest[networkingv1.NetworkPolicy](t, "oneseat.yaml").Spec.Ingress[0].Ports[0].Port.String(),
		"metrics":   manifest[networkingv1.NetworkPolicy](t, "oneseat.yaml").Spec.Ingress[1].Ports[0].Port.String(),
	} {
		if !ports[port] {
			t.Errorf("%s: there is no port %q", what, port)
		}
	}
	secret := manifest[corev1.Secret](t, "secret.yaml")
	if ref := container.Env[0].ValueFrom.SecretKeyRef; ref.Name != secret.Name || secret.StringData[ref.Key] == "" {
		t.Errorf("there is no %s in the secret %s", ref.Key, ref.Name)
	}
	if keys := pod.Volumes[0].Secret; keys.SecretName != secret.Name || secret.StringData[keys.Items[0].Key] == "" {
		t.Errorf("there is no %s in the secret %s", keys.Items[0].Key, keys.SecretName)
	}
	if container.LivenessProbe.HTTPGet.Path != "/healthz" || container.ReadinessProbe.HTTPGet.Path != "/readyz" {
		t.Error("a pod without a store has to be left alone, and gets no calls")
	}
}

// What the Pod Security Standard "restricted" asks for, and a root that cannot be written to.
func TestThePodsAreRestricted(t *testing.T) {
	pod := manifest[appsv1.Deployment](t, "oneseat.yaml").Spec.Template.Spec
	own, container := pod.SecurityContext, pod.Containers[0].SecurityContext
	for what, holds := range map[string]bool{
		"runAsNonRoot":                 *own.RunAsNonRoot,
		"runAsUser as the image":       *own.RunAsUser == imageUser,
		"seccompProfile":               own.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
		"allowPrivilegeEscalation":     !*container.AllowPrivilegeEscalation,
		"readOnlyRootFilesystem":       *container.ReadOnlyRootFilesystem,
		"capabilities":                 len(container.Capabilities.Drop) == 1 && container.Capabilities.Drop[0] == "ALL" && container.Capabilities.Add == nil,
		"automountServiceAccountToken": !*pod.AutomountServiceAccountToken,
		"host":                         !pod.HostNetwork && !pod.HostPID && !pod.HostIPC,
	} {
		if !holds {
			t.Errorf("%s", what)
		}
	}
	for _, v := range pod.Volumes {
		if v.Secret == nil {
			t.Errorf("the volume %s is no secret", v.Name)
		}
	}
}

// The program takes the flags of the manifest, and serves nobody with the example of a secret.
func TestTheManifestsFlagsAreThoseOfTheProgram(t *testing.T) {
	container := manifest[appsv1.Deployment](t, "oneseat.yaml").Spec.Template.Spec.Containers[0]
	secret := manifest[corev1.Secret](t, "secret.yaml")
	keys := write(t, 0o600, secret.StringData["keys.toml"], t.TempDir(), "keys.toml")
	var args []string
	for _, arg := range container.Args {
		args = append(args, strings.ReplaceAll(arg, "/etc/oneseat/keys/keys.toml", keys))
	}
	cmd := exec.CommandContext(t.Context(), built(t), args...)
	cmd.Env = append(cmd.Environ(), "ONESEAT_STORE="+secret.StringData["store"])
	cmd.Dir = t.TempDir()
	said := fails(t, cmd)
	if !strings.Contains(said, "it has no [[key]]") {
		t.Errorf("%s", said)
	}
	if left, err := filepath.Glob(filepath.Join(cmd.Dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
	cmd = exec.CommandContext(t.Context(), built(t), append(args, "--keyz=x")...)
	if said := fails(t, cmd); !strings.Contains(said, "--keyz") {
		t.Errorf("%s", said)
	}
}
