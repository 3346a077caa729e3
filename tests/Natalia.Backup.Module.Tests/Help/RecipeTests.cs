using Natalia.Backup.Module.Tests.Commands;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Examples;

namespace Natalia.Backup.Module.Tests.Help;

/// <summary>
/// Scripts that documents give for runs that nobody watches: what fails in them must be seen by whatever started them.
/// </summary>
public sealed class RecipeTests : IDisposable
{
    private static readonly string[] s_profiles = [@"C:\ProgramData\natalia.json", "./natalia.json",
        "/etc/natalia/profile.json"];

    private readonly FolderFixture _fixture = new FolderFixture().WithRepository("nas").WithRepository("offsite");
    private readonly string _profile;

    public RecipeTests()
    {
        _profile = _fixture.Full("profile.json");
        _fixture.Run("Get-NataliaAppliance -Name * | Set-NataliaAppliance -Repository nas; $null = "
            + "Get-NataliaAppliance | Invoke-NataliaBackup; 'nas', 'offsite' | ForEach-Object { Set-NataliaRetention "
            + "-Repository $_ }; $null = Export-NataliaProfile $args[0]",
            _profile)
            .ThrowIfFailed();
    }

    public void Dispose() => _fixture.Dispose();

    public static IEnumerable<object[]> Recipes =>
        ExampleCorpus.All.Where(ExampleCorpus.IsRecipe).Select(e => new object[] { e.Id });

    [Fact]
    public void There_are_recipes_in_the_README_in_help_and_in_the_about_topics()
    {
        List<string> ids = [.. Recipes.Select(r => (string)r[0])];

        Assert.Contains(ids, i => i.StartsWith("README.md", StringComparison.Ordinal));
        Assert.Contains(ids, i => i.StartsWith("copies.md", StringComparison.Ordinal));
        Assert.True(ids.Count(i => i.StartsWith("about_", StringComparison.Ordinal)) >= 5, string.Join(", ", ids));
        Assert.Contains(ids, i => i.StartsWith("Invoke-NataliaBackup example", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Recipes))]
    public async Task A_recipe_in_which_everything_fails_does_not_end_well(string id)
    {
        string script = Write(id);
        FailEverything();

        Assert.NotEqual(0,
            (await RealPowerShell.RunProgramAsync(BuildLayout.Runner, "--non-interactive", script)).ExitCode);
        if (RealPowerShell.Path is null) return;
        Assert.NotEqual(0, (await RealPowerShell.RunAsync("-File", script)).ExitCode);
    }

    [RealPowerShellFact]
    public async Task The_nightly_recipe_ends_well_when_all_goes_well_and_fails_by_command_line_too()
    {
        string script = Write(Recipes.Select(r => (string)r[0])
            .Single(i => i.StartsWith("README.md", StringComparison.Ordinal)));

        RealPowerShell.Result good = await RealPowerShell.RunAsync("-File", script);
        Assert.True(good.ExitCode == 0, good.Error);
        Assert.Equal(0, (await RealPowerShell.RunAsync("-Command", $"& '{script}'")).ExitCode);
        FailEverything();
        Assert.NotEqual(0, (await RealPowerShell.RunAsync("-Command", $"& '{script}'")).ExitCode);
    }

    private string Write(string id)
    {
        string code = ExampleCorpus.All.Single(e => e.Id == id).Code;
        foreach (string path in s_profiles) code = code.Replace(path, _profile, StringComparison.Ordinal);
        string script = _fixture.Full("recipe.ps1");
        File.WriteAllText(script,
            $"if (-not (Get-Command Get-NataliaAppliance -ErrorAction Ignore)) {{ Import-Module "
            + $"'{BuildLayout.Manifest}' }}\n{code}\n");
        return script;
    }

    /// <summary>
    /// No disk can be read, no policy is set, what is stored is damaged, and the other place is away.
    /// </summary>
    private void FailEverything()
    {
        foreach (string appliance in new[] { "natalia-paris", "natalia-lyon" })
        {
            File.Delete(_fixture.Disk(appliance));
            _fixture.Damage("nas", appliance);
        }
        _fixture.Run("Disconnect-NataliaRepository *").ThrowIfFailed();
        Directory.Delete(_fixture.Full("offsite"), recursive: true);
    }
}
