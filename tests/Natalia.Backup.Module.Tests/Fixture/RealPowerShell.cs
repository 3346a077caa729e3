using System.Diagnostics;
using System.Runtime.CompilerServices;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests;

/// <summary>
/// The real pwsh, as a process of its own: NATALIA_PWSH, the one on the path, or the one that the build has fetched.
/// </summary>
public static class RealPowerShell
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(8);

    public static string? Path { get; } = Candidates().FirstOrDefault(File.Exists);

    public sealed record Result(int ExitCode, string Output, string Error);

    /// <summary>Runs pwsh without a profile and without anybody to answer.</summary>
    public static Task<Result> RunAsync(params string[] arguments) =>
        RunProgramAsync(Path!, ["-NoProfile", "-NonInteractive", .. arguments]);

    /// <summary>As <see cref="RunAsync"/>, with variables in its environment.</summary>
    public static Task<Result> RunWithAsync(IReadOnlyDictionary<string, string> variables, string[] arguments) =>
        RunProgramAsync(Path!, variables, ["-NoProfile", "-NonInteractive", .. arguments]);

    public static Task<Result> RunProgramAsync(string program, params string[] arguments) =>
        RunProgramAsync(program, new Dictionary<string, string>(), arguments);

    private static async Task<Result> RunProgramAsync(string program, IReadOnlyDictionary<string, string> variables,
        string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["NO_COLOR"] = "1";
        foreach ((string name, string value) in variables) start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(s_limit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
        return new Result(process.ExitCode, await output, await error);
    }

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable("NATALIA_PWSH") is { Length: > 0 } named) yield return named;
        string name = OperatingSystem.IsWindows() ? "pwsh.exe" : "pwsh";
        foreach (string folder in (Environment.GetEnvironmentVariable("PATH")
            ?? "").Split(System.IO.Path.PathSeparator))
            yield return System.IO.Path.Combine(folder, name);
        yield return "/opt/microsoft/powershell/7/pwsh";
        yield return BuildLayout.Pwsh;
    }
}

/// <summary>A test that needs the real pwsh.</summary>
public sealed class RealPowerShellFactAttribute : FactAttribute
{
    public RealPowerShellFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Obstacle);

    internal static string? Obstacle =>
        RealPowerShell.Path is null && Environment.GetEnvironmentVariable("NATALIA_REQUIRE_REAL") != "1"
            ? "pwsh is not installed"
            : null;
}

/// <summary>A test that needs the real pwsh, and the real server of buckets.</summary>
public sealed class RealPowerShellBucketFactAttribute : FactAttribute
{
    public RealPowerShellBucketFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, RealPowerShellFactAttribute.Obstacle ?? CephServer.Missing);
}

/// <summary>A test that needs the real pwsh, and qemu-img.</summary>
public sealed class RealPowerShellQemuImgFactAttribute : FactAttribute
{
    public RealPowerShellQemuImgFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test,
            RealPowerShellFactAttribute.Obstacle ?? Counterpart.QemuImg.Obstacle);
}
