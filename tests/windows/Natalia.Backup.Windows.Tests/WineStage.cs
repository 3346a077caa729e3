using System.Diagnostics;
using System.Text.RegularExpressions;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Windows.Tests;

/// <summary>
/// What prepare.sh makes, for the tests of one class: made when the first of them asks for it, gone after the last one.
/// NATALIA_WINE_FOLDER names a folder to make it in and to leave it in, for a look around and for another run.
/// </summary>
public sealed partial class WineStage : IDisposable
{
    private static readonly TimeSpan s_mostOfPreparation = TimeSpan.FromMinutes(10);
    private readonly Lazy<string> _folder = new(Prepare, LazyThreadSafetyMode.ExecutionAndPublication);
    private static string? Kept => Environment.GetEnvironmentVariable("NATALIA_WINE_FOLDER");

    public sealed record Result(int ExitCode, string Text, string Screen);

    public string Folder => _folder.Value;

    /// <summary>Runs the tests of an assembly, or of some of its classes, under Wine.</summary>
    /// <param name="place">The folder that it lies in.</param>
    /// <param name="output">What takes the place of the checkout's <c>out</c>.</param>
    /// <param name="limit">How long it may take.</param>
    /// <param name="assembly">Its name.</param>
    /// <param name="classes">Beginnings or other parts of the classes' full names.</param>
    public Result RunTests(string place, string output, TimeSpan limit, string assembly, params string[] classes) =>
        Run(limit, output, Path.Combine(Folder, place), file =>
            ["natalia-windows.exe", "natalia-windows.dll", file, assembly, .. classes]);

    /// <summary>Runs a script in the published runner under Wine.</summary>
    /// <param name="output">What takes the place of the checkout's <c>out</c>.</param>
    /// <param name="limit">How long it may take.</param>
    /// <param name="script">The script; what it writes is collected.</param>
    public Result RunScript(string output, TimeSpan limit, string script)
    {
        return Run(limit, output, Path.Combine(Folder, output, "natalia"), file =>
        {
            string wrapper = Path.Combine(Folder, "script.ps1");
            File.WriteAllText(wrapper, $"$ErrorActionPreference = 'Stop'\n& {{ {script} }} *> '{file}'\n");
            return ["natalia.exe", ForWindows(wrapper)];
        });
    }

    /// <summary>The path of a file of this machine, as programs under Wine name it.</summary>
    public static string ForWindows(string path) => "Z:" + path.Replace('/', '\\');

    public void Dispose()
    {
        if (_folder.IsValueCreated) Remove(_folder.Value);
    }

    private Result Run(TimeSpan limit, string output, string place, Func<string, string[]> command)
    {
        string file = Path.Combine(Folder, $"{Guid.NewGuid():n}.txt");
        (int code, string screen) = Start(limit + TimeSpan.FromMinutes(1), place, start =>
        {
            start.Environment["NATALIA_TEST_OUTPUT"] = ForWindows(Path.Combine(Folder, output));
            start.Environment["NATALIA_TEST_SOURCES"] = ForWindows(BuildLayout.RepositoryRoot);
            start.Environment["DOTNET_STARTUP_HOOKS"] =
                ForWindows(Path.Combine(Folder, "program", "natalia-windows.dll"));
            // Programs of the distribution are not for tests in there.
            start.Environment.Remove("NATALIA_REQUIRE_REAL");
        }, [Server("run.sh"), Path.Combine(Folder, "prefix"),
            ((int)limit.TotalSeconds).ToString(System.Globalization.CultureInfo.InvariantCulture),
            .. command(ForWindows(file))]);
        return new Result(code, File.Exists(file) ? File.ReadAllText(file) : "",
            Commands().Replace(screen, ""));
    }

    private static string Prepare()
    {
        Counterpart.Wine.MustBeThere();
        string folder = Kept ?? Directory.CreateTempSubdirectory("natalia-wine-").FullName;
        if (Directory.Exists(Path.Combine(folder, "out-netstandard"))) return folder;
        string configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        (int code, string screen) = Start(s_mostOfPreparation, BuildLayout.RepositoryRoot, _ => { },
            [Path.Combine(BuildLayout.RepositoryRoot, "tests", "windows", "prepare.sh"), folder, configuration]);
        if (code != 0) Remove(folder);
        Assert.True(code == 0, $"prepare.sh ended with {code}: {screen}");
        return folder;
    }

    /// <summary>A prefix has links to the whole machine: rm follows none.</summary>
    private static void Remove(string folder)
    {
        if (Kept is null)
            _ = Start(s_mostOfPreparation, BuildLayout.RepositoryRoot, _ => { }, ["-c", "rm -rf \"$0\"", folder]);
    }

    private static string Server(string script) =>
        Path.Combine(BuildLayout.RepositoryRoot, "tests", "servers", "wine", script);

    private static (int Code, string Output) Start(TimeSpan limit, string place, Action<ProcessStartInfo> prepare,
        string[] command)
    {
        var start = new ProcessStartInfo("bash", command)
        {
            WorkingDirectory = place,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        prepare(start);
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(limit))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"bash {string.Join(' ', command)} did not end within {limit}.");
        }
        return (process.ExitCode, output.Result + error.Result);
    }

    /// <summary>What a console adds to what goes through it, and what Wine says whenever a volume is asked
    /// for.</summary>
    [GeneratedRegex(@"wine: Read access denied for device .*|\x1b(\[[0-?]*[ -/]*[@-~]|\][^\a]*\a|.)")]
    private static partial Regex Commands();
}
