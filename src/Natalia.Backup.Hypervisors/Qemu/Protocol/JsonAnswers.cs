using System.Text.Json;
using System.Text.Json.Nodes;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Qemu.Protocol;

/// <summary>Reads what peers answer, who may answer anything: what has another form than expected is absent.</summary>
internal static class JsonAnswers
{
    private const int DeepestNesting = 32;

    /// <summary>One line as JSON.</summary>
    /// <exception cref="NataliaException"><c>ServerAnswerInvalid</c>.</exception>
    internal static JsonElement Parse(byte[] line, string peer)
    {
        try
        {
            using var document = JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = DeepestNesting });
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? document.RootElement.Clone()
                : throw Invalid(peer, "something other than an object");
        }
        catch (JsonException e)
        {
            throw Invalid(peer, "something other than JSON", e);
        }
    }

    /// <summary>One line as JSON; null when it is something other than an object.</summary>
    internal static JsonElement? TryParse(byte[] line)
    {
        try
        {
            return Parse(line, "");
        }
        catch (NataliaException)
        {
            return null;
        }
    }

    internal static NataliaException Invalid(string peer, string what, Exception? inner = null) =>
        new(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData, $"{peer} answered {what}.", peer, null, inner);

    internal static JsonElement? Member(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement member)
        && member.ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined) ? member : null;

    internal static string? Text(this JsonElement element, string name)
    {
        if (element.Member(name) is not { ValueKind: JsonValueKind.String } member) return null;
        try
        {
            return member.GetString();
        }
        catch (InvalidOperationException)
        {
            // Half a character.
            return null;
        }
    }

    internal static long? Number(this JsonElement element, string name) =>
        element.Member(name) is { ValueKind: JsonValueKind.Number } member && member.TryGetInt64(out long number)
            ? number : null;

    internal static bool? Flag(this JsonElement element, string name) => element.Member(name)?.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => null,
    };

    /// <summary>The items of a list; none when it is no list.</summary>
    internal static IReadOnlyList<JsonElement> Items(this JsonElement? element) =>
        element is { ValueKind: JsonValueKind.Array } list ? [.. list.EnumerateArray()] : [];

    /// <summary>The error of an answer as an exception; null when it is none.</summary>
    internal static QmpException? Error(this JsonElement answer, string peer, string command) =>
        answer.Member("error") is JsonElement error
            ? new QmpException(peer, command, error.Text("class") ?? "", error.Text("desc") ?? "without saying why")
            : null;

    /// <summary>A command as a line of JSON.</summary>
    internal static byte[] Command(string name, JsonObject? arguments, long? id)
    {
        var command = new JsonObject { ["execute"] = name };
        if (arguments is not null) command["arguments"] = arguments;
        if (id is long number) command["id"] = number;
        return System.Text.Encoding.UTF8.GetBytes(command.ToJsonString() + "\n");
    }
}
