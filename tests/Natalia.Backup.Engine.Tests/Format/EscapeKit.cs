using System.Text.Json;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Format;

/// <summary>Runs tools/escape-kit/natalia_reader.py.</summary>
internal static class EscapeKit
{
    private static string Script => Path.Combine(AppContext.BaseDirectory, "escape-kit", "natalia_reader.py");

    internal static (int Code, string Output, string Errors) Run(string? password, params string[] arguments) =>
        Counterpart.Python.Run(new Dictionary<string, string?>
        {
            ["NATALIA_PASSWORD"] = password,
            ["PYTHONIOENCODING"] = "utf-8",
        }, [Script, .. arguments]);

    internal static string MustRun(string? password, params string[] arguments)
    {
        (int code, string output, string errors) = Run(password, arguments);
        Assert.True(code == 0, $"exit code {code}: {errors}{output}");
        return output;
    }

    internal static IReadOnlyList<JsonElement> List(string folder, string? password, params string[] more)
    {
        using JsonDocument document = JsonDocument.Parse(MustRun(password, ["list", folder, "--json", .. more]));
        return [.. document.RootElement.Clone().EnumerateArray()];
    }

    internal static byte[] Restore(string folder, string? password, string point, string disk)
    {
        using var place = new TemporaryFolder();
        MustRun(password, "restore", folder, point, disk, place["disk.raw"]);
        Assert.Equal(["disk.raw"], place.Files);
        return File.ReadAllBytes(place["disk.raw"]);
    }
}
