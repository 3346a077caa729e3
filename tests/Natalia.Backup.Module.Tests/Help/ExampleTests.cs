using System.Text.Json;
using System.Text.RegularExpressions;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Examples;

namespace Natalia.Backup.Module.Tests.Help;

/// <summary>What help and documents tell people to type is right, and stays right.</summary>
public sealed class ExampleTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    [Fact]
    public void Every_example_parses_and_each_command_of_ours_in_it_has_what_it_is_given()
    {
        Assert.InRange(ExampleCorpus.All.Count, 100, 1000);
        var problems = new List<string>();
        foreach (Example example in ExampleCorpus.All)
        {
            problems.AddRange(module.Run(
                """
                $errors = $null
                $ast = [System.Management.Automation.Language.Parser]::ParseInput($args[0], [ref] $null, [ref] $errors)
                foreach ($e in $errors) { "does not parse: $($e.Message)" }
                foreach ($command in $ast.FindAll({ $args[0] -is [System.Management.Automation.Language.CommandAst] }, $true)) {
                    $name = $command.GetCommandName()
                    if ($name -notlike '*-Natalia*') { continue }
                    $info = Get-Command $name -ErrorAction Ignore
                    if (-not $info) { "there is no $name"; continue }
                    $bound = [System.Management.Automation.Language.StaticParameterBinder]::BindCommand($command, $true)
                    foreach ($key in $bound.BindingExceptions.Keys) { "$name $($key): $($bound.BindingExceptions[$key].BindingException.Message)" }
                    foreach ($key in $bound.BoundParameters.Keys) {
                        $value = $bound.BoundParameters[$key]
                        if ($null -eq $value.ConstantValue -or $value.ConstantValue -is [bool]) { continue }
                        $type = $info.Parameters[$key].ParameterType
                        if ($type.Name -in 'SecureString', 'PSCredential') { "$name -$($key) is given a secret as text" }
                        elseif ($null -eq ($value.ConstantValue -as $type)) { "$name -$($key): '$($value.ConstantValue)' is no $type" }
                    }
                }
                """, example.Code).Text.Select(t => $"{example.Id}: {t}"));
        }

        AssertNone(problems);
    }

    [Fact]
    public void Every_example_has_its_runner_or_the_reason_why_nobody_runs_it()
    {
        Assert.Empty(ExampleCorpus.All
            .Where(e => ExampleRunners.Of(e) == ExampleRunner.None && !ExampleRunners.NotRun.ContainsKey(e.Id))
            .Select(e => $"{e.Id} is run by nobody: name its runner in ExampleRunners."));
        Assert.All(Enum.GetValues<ExampleRunner>().Where(r => r != ExampleRunner.None),
            r => Assert.NotEmpty(ExampleCorpus.Of(r)));
    }

    /// <summary>Examples are counted: one that was put in between gives those behind it other names.</summary>
    [Fact]
    public void Each_name_of_an_example_still_means_the_one_that_it_was_given_to()
    {
        AssertNone(from named in ExampleRunners.Named
                   let found = ExampleCorpus.All.Where(e => e.Document == new Example(named.Key, "").Document
                       && e.Code.Contains(named.Value, StringComparison.Ordinal)).Select(e => e.Id).ToList()
                   where found is not [string id] || id != named.Key
                   select $"'{named.Value}' of {named.Key} stands in: {string.Join(", ", found)}.");
        List<string> proven = [.. Regex.Matches(File.ReadAllText(Script), "^    '([^']+)' = \\{",
            RegexOptions.Multiline).Select(m => m.Groups[1].Value)];
        Assert.NotEmpty(proven);
        Assert.Empty(proven.Except(ExampleRunners.Named.Keys));
    }

    [RealPowerShellFact]
    public async Task Every_example_runs_on_a_site_as_it_describes()
    {
        IReadOnlyList<Result> results = await RunAsync(ExampleCorpus.Of(ExampleRunner.Site)
            .Where(e => !CallsQemuImg(e)).Select(e => (e, false)));

        AssertNone(Wrong(results));
    }

    [RealPowerShellQemuImgFact]
    public async Task Every_example_that_calls_qemu_img_runs_on_a_site_with_it()
    {
        Counterpart.QemuImg.MustBeThere();

        IReadOnlyList<Result> results = await RunAsync(ExampleCorpus.Of(ExampleRunner.Site)
            .Where(CallsQemuImg).Select(e => (e, false)));

        AssertNone(Wrong(results));
    }

    [RealPowerShellBucketFact]
    public async Task Every_example_of_a_bucket_runs_on_a_site_with_a_real_one()
    {
        List<Example> examples = [.. ExampleCorpus.Of(ExampleRunner.Bucket)];
        var buckets = new List<string>();
        // One for each way in which an example is tried.
        foreach (Example _ in examples)
            for (int i = 0; i < 3; i++) buckets.Add(await CephServer.Running.MakeBucketAsync(objectLock: true));
        IReadOnlyList<Result> results = await RunAsync(examples.Select(e => (e, false)),
            "-Endpoint", CephServer.Running.Endpoint.AbsoluteUri, "-Buckets", string.Join(',', buckets));

        AssertNone(Wrong(results));
    }

    [Fact]
    public void An_example_that_needs_windows_says_so_elsewhere()
    {
        if (OperatingSystem.IsWindows()) return;
        ScriptResult refused = module.Run("function Get-Secret { [pscredential]::new('user', [securestring]::new()) }\n"
            + ExampleCorpus.Get("Connect-NataliaRepository example 5").Code);

        Assert.StartsWith("ShareCredentialNotSupported,", Assert.Single(refused.ErrorIds), StringComparison.Ordinal);
    }

    [RealPowerShellFact]
    public async Task Every_example_that_proves_something_throws_where_something_is_damaged()
    {
        List<Example> proofs = [.. ExampleCorpus.Of(ExampleRunner.Site)
            .Where(e => ExampleCorpus.IsProof(e) && !e.Code.Contains("NataliaAudit", StringComparison.Ordinal))];
        Assert.True(proofs.Count >= 4, "The examples with -Quiet are gone.");

        AssertNone(from result in await RunAsync(proofs.Select(e => (e, true)))
                   where result.Ended?.Contains("damaged", StringComparison.Ordinal) != true
                   select $"{result.Id}: {result.Ended} {string.Join("; ", result.Errors)}");
    }

    /// <summary>Warnings that say how the site is, and not that something did not work.</summary>
    private static readonly string[] s_told =
    [
        "is encrypted and 'offsite' is not",
        // In a session in which the repository is connected already, under the name that other examples use.
        "still stands for the appliance", "is connected already, as 'nas'",
    ];

    private sealed record Result(string Id, string? Ended, List<string> Errors, List<string> Warnings);

    /// <summary>Shows all of them, where there are some.</summary>
    private static void AssertNone(IEnumerable<string> problems) =>
        Assert.True(!problems.Any(), string.Join(Environment.NewLine, problems));

    private static List<string> Wrong(IEnumerable<Result> results) =>
        [.. from result in results
            let told = result.Warnings.Where(w => !s_told.Any(t => w.Contains(t, StringComparison.Ordinal)))
            where result.Ended is not null || result.Errors.Count > 0 || told.Any()
            select $"{result.Id}: {result.Ended} {string.Join("; ", result.Errors.Concat(told))}"];

    private static string Script => Path.Combine(BuildLayout.RepositoryRoot, "tests", "Natalia.Backup.Module.Tests",
        "Help", "RunExamples.ps1");

    private static bool CallsQemuImg(Example example) =>
        example.Code.Contains("qemu-img", StringComparison.Ordinal);

    /// <summary>What came of each of the examples, of which there is at least one; none was left out.</summary>
    private async Task<IReadOnlyList<Result>> RunAsync(IEnumerable<(Example Example, bool Damaged)> wanted,
        params string[] more)
    {
        List<(Example Example, bool Damaged)> examples = [.. wanted];
        string folder = module.NewFolder(), list = Path.Combine(folder, "examples.json"),
            sandbox = Directory.CreateDirectory(Path.Combine(folder, "sandbox")).FullName;
        File.WriteAllText(list,
            JsonSerializer.Serialize(examples
                .Select(e => new { id = e.Example.Id, code = e.Example.Code, damaged = e.Damaged })));
        RealPowerShell.Result run = await RealPowerShell.RunWithAsync(
            new Dictionary<string, string>
            {
                // The machine trusts the authority of the site's certificates; who types has the key of the buckets.
                ["SSL_CERT_FILE"] = Path.Combine(sandbox, "site", "here", "root.cer"),
                ["NATALIA_TEST_KEY"] = more.Length > 0 ? CephServer.AccessKey : "",
                ["NATALIA_TEST_SECRET"] = more.Length > 0 ? CephServer.SecretKey : "",
                ["AWS_ACCESS_KEY_ID"] = CephServer.AccessKey,
                ["AWS_SECRET_ACCESS_KEY"] = CephServer.SecretKey,
            },
            ["-File", Script, "-Module", BuildLayout.Manifest, "-Examples", list, "-Sandbox", sandbox, .. more]);
        Assert.True(run.ExitCode == 0, run.Error + run.Output);
        List<Result> results = [.. run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line =>
        {
            using JsonDocument json = JsonDocument.Parse(line);
            return new Result(json.RootElement.GetProperty("id").GetString()!,
                json.RootElement.GetProperty("ended").GetString(),
                [.. json.RootElement.GetProperty("errors").EnumerateArray().Select(e => e.GetString()!)],
                [.. json.RootElement.GetProperty("warnings").EnumerateArray().Select(e => e.GetString()!)]);
        })];
        Assert.NotEmpty(results);
        Assert.Equal(examples.Select(e => e.Example.Id), results.Select(r => r.Id));
        return results;
    }
}
