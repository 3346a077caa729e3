using System.Globalization;
using System.Text.RegularExpressions;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.RealVM;

/// <summary>Restore tests as a reader of the documents first meets them, in a process of their own.</summary>
public sealed class RestoreTestExampleTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static string Example => Path.Combine(BuildLayout.ModuleRoot, "examples", "RestoreTest.ps1");

    public void Dispose() => _folder.Dispose();

    [ApplianceFact]
    [Trait("Category", "RealVM")]
    public async Task The_example_tests_an_appliance_and_leaves_nothing()
    {
        TestAppliance appliance = TestAppliance.Make(_folder["vms/natalia-nice"]);

        (int exitCode, string output) = await RunAsync(Example, "-Appliance", appliance.Folder, "-CdrCount",
            appliance.CdrCount.ToString(CultureInfo.InvariantCulture), "-WorkFolder", _folder["work"]);

        Assert.True(exitCode == 0, output);
        Assert.Matches(@"(?m)^Passed in \d+ seconds: restore \d+, boot [1-9]\d*, checks [1-9]\d*\.", output);
        Assert.Equal([_folder["vms"]], Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public async Task The_example_says_which_package_is_missing_before_it_makes_anything()
    {
        if (OperatingSystem.IsWindows()) return;
        Directory.CreateDirectory(_folder["programs"]);
        await File.WriteAllTextAsync(_folder["programs/qemu-img"], "#!/bin/sh\n");
        File.SetUnixFileMode(_folder["programs/qemu-img"], UnixFileMode.UserRead | UnixFileMode.UserExecute);

        RunnerProcess.Result run = await RunnerProcess.RunProgramAsync("/usr/bin/env", $"PATH={_folder["programs"]}",
            BuildLayout.Runner, Example, "-Appliance", _folder["vms"], "-CdrCount", "1", "-WorkFolder",
            _folder["work"]);

        Assert.NotEqual(0, run.ExitCode);
        // A console breaks it into lines, each behind a bar.
        Assert.Contains("missing: qemu-system-x86_64. Debian and Ubuntu have them in: qemu-system-x86.",
            Regex.Replace(run.Output + run.Error, @"\s+(\| )?", " "), StringComparison.Ordinal);
        Assert.Equal([_folder["programs"]], Directory.GetFileSystemEntries(_folder.Path));
    }

    /// <summary>What a person accepts the product with; it counts and compares by itself.</summary>
    [ApplianceFact]
    [Trait("Category", "RealVM")]
    public async Task The_acceptance_script_finds_what_is_missing_and_passes_what_is_within_the_tolerance()
    {
        TestAppliance appliance = TestAppliance.Make(_folder["natalia-nice"]);

        (int exitCode, string output) = await RunAsync(Path.Combine(BuildLayout.RepositoryRoot, "tests",
            "Natalia.Backup.Module.Tests", "RealVM", "restore-test.ps1"), appliance.Folder,
            appliance.CdrCount.ToString(CultureInfo.InvariantCulture), _folder["work"]);

        Assert.True(exitCode == 0, output);
        Assert.Contains("ok  no VM is left on the bench", output, StringComparison.Ordinal);
    }

    /// <summary>Reads line by line: a VM without hardware virtualization takes its time.</summary>
    private static async Task<(int ExitCode, string Output)> RunAsync(params string[] arguments)
    {
        using RunnerProcess run = RunnerProcess.Start(arguments);
        var said = new List<string>();
        while (await run.ReadLineAsync() is string line) said.Add(line);
        RunnerProcess.Result result = await run.FinishAsync();
        return (result.ExitCode, string.Join("\n", said.Append(result.Error)));
    }
}
