using System.Text.Json;
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

        Assert.Empty(problems);
    }

    [Fact]
    public void Every_example_has_its_runner_or_the_reason_why_nobody_runs_it()
    {
        Assert.Empty(ExampleCorpus.All
            .Where(e => ExampleRunners.Of(e) == ExampleRunner.None && !ExampleRunners.NotRun.ContainsKey(e.Id))
            .Select(e => $"{e.Id} is run by nobody: name its runner in ExampleRunners."));
        // Blocks are counted: one that was put in between gives those behind it other names.
        Assert.Empty(ExampleRunners.Named.Except(ExampleCorpus.All.Select(e => e.Id)));
        Assert.All(Enum.GetValues<ExampleRunner>().Where(r => r != ExampleRunner.None),
            r => Assert.NotEmpty(ExampleCorpus.Of(r)));
    }

    [RealPowerShellFact]
    public async Task Every_example_runs_on_a_site_as_it_describes()
    {
        IReadOnlyList<Result> results = await RunAsync(ExampleCorpus.Of(ExampleRunner.Site).Select(e => (e, false)));
        List<string> wrong = [.. from result in results where result.Ended is not null || result.Errors.Count > 0
            select $"{result.Id}: {result.Ended} {string.Join("; ", result.Errors)}"];

        Assert.True(results.Count >= 80, "Examples are missing.");
        Assert.True(wrong.Count == 0, string.Join(Environment.NewLine, wrong));
    }

    [RealPowerShellFact]
    public async Task Every_example_that_proves_something_throws_where_something_is_damaged()
    {
        List<Example> proofs = [.. ExampleCorpus.Of(ExampleRunner.Site)
            .Where(e => ExampleCorpus.IsProof(e) && !e.Code.Contains("NataliaAudit", StringComparison.Ordinal))];
        Assert.True(proofs.Count >= 4, "The examples with -Quiet are gone.");

        Assert.Empty(from result in await RunAsync(proofs.Select(e => (e, true)))
                     where result.Ended?.Contains("damaged", StringComparison.Ordinal) != true
                     select $"{result.Id}: {result.Ended} {string.Join("; ", result.Errors)}");
    }

    private sealed record Result(string Id, string? Ended, List<string> Errors);

    private async Task<IReadOnlyList<Result>> RunAsync(IEnumerable<(Example Example, bool Damaged)> examples)
    {
        string folder = module.NewFolder(), list = Path.Combine(folder, "examples.json"),
            sandbox = Directory.CreateDirectory(Path.Combine(folder, "sandbox")).FullName;
        File.WriteAllText(list,
            JsonSerializer.Serialize(examples
                .Select(e => new { id = e.Example.Id, code = e.Example.Code, damaged = e.Damaged })));
        RealPowerShell.Result run = await RealPowerShell.RunAsync("-File",
            Path.Combine(BuildLayout.RepositoryRoot, "tests", "Natalia.Backup.Module.Tests", "Help", "RunExamples.ps1"),
            "-Module", BuildLayout.Manifest, "-Examples", list, "-Sandbox", sandbox);
        Assert.True(run.ExitCode == 0, run.Error + run.Output);
        return [.. run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line =>
        {
            using JsonDocument json = JsonDocument.Parse(line);
            return new Result(json.RootElement.GetProperty("id").GetString()!,
                json.RootElement.GetProperty("ended").GetString(),
                [.. json.RootElement.GetProperty("errors").EnumerateArray().Select(e => e.GetString()!)]);
        })];
    }
}
