using System.Text.Encodings.Web;
using System.Text.Json;

namespace Natalia.Backup.Operations.Text;

/// <summary>How the module writes JSON files that people open.</summary>
internal static class ReadableJson
{
    /// <summary>
    /// Indented, letters of every language as they are. The files are never put into a web page, which is what the
    /// default escaping is for.
    /// </summary>
    internal static JsonWriterOptions Options { get; } = new()
    {
        Indented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
}
