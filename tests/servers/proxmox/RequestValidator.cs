using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>Holds a request against the published operations. What it finds is a defect of the client.</summary>
internal sealed class RequestValidator(OperationTable table)
{
    private static readonly Dictionary<string, string> s_formats = new()
    {
        ["pve-vmid"] = @"[1-9][0-9]{2,8}",
        ["pve-vmid-list"] = @"[1-9][0-9]{2,8}([,; ][1-9][0-9]{2,8})*",
        ["pve-configid"] = @"[A-Za-z][A-Za-z0-9_-]+",
        ["pve-configid-list"] = @"[A-Za-z][A-Za-z0-9_-]+([,; ][A-Za-z][A-Za-z0-9_-]+)*",
        ["pve-storage-id"] = @"[A-Za-z][A-Za-z0-9\-_.]*[A-Za-z0-9]",
        ["pve-node"] = @"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?",
        ["pve-poolid"] = @"[A-Za-z0-9._/-]+",
        ["dns-name"] = @"([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*",
        ["pve-storage-content"] = "images|rootdir|vztmpl|iso|backup|none|snippets|import",
        ["pve-calendar-event"] = @"[A-Za-z0-9*/:,. -]+",
        ["prune-backups"] =
            @"keep-(all|last|hourly|daily|weekly|monthly|yearly)=\d+(,keep-(last|hourly|daily|weekly|monthly|yearly)=\d+)*",
        ["pve-replication-job-id"] = @"[1-9][0-9]{2,8}-\d{1,9}",
    };

    internal IReadOnlyList<string> Check(SimulatorRequest request)
    {
        var found = new List<string>();
        foreach (string segment in request.RawSegments)
            if (!Regex.IsMatch(segment, @"^([A-Za-z0-9._~-]|%[0-9A-F]{2})+$"))
                found.Add($"segment '{segment}' is not encoded");
        if (request.Method is "GET" or "DELETE" && request.HasBody) found.Add("a body with " + request.Method);
        if (request.Method is "POST" or "PUT" && request.Query.Count > 0) found.Add("a query with " + request.Method);
        if (request.Method is "POST" or "PUT" && request.ContentType != "application/x-www-form-urlencoded")
            found.Add($"content type '{request.ContentType}'");
        OperationTable.Operation? operation = table.Find(request.Method, request.Segments);
        if (operation is null)
        {
            found.Add("there is no such operation");
            return found;
        }
        for (int i = 0; i < operation.Segments.Length; i++)
            if (operation.Segments[i][0] == '{'
                && operation.PathArguments.TryGetValue(operation.Segments[i].Trim('{', '}'), out JsonElement schema))
                CheckValue(operation.Segments[i], request.Segments[i], schema, found);
        foreach (KeyValuePair<string, List<string>> argument in request.Arguments)
        {
            JsonElement? schema = Lookup(operation.Arguments, argument.Key);
            if (schema is null)
            {
                if (!operation.IsOpen) found.Add($"unknown argument '{argument.Key}'");
                continue;
            }
            bool isArray = Text(schema.Value, "type") == "array";
            if (!isArray && argument.Value.Count > 1) found.Add($"'{argument.Key}' is repeated");
            foreach (string value in argument.Value)
                CheckValue(argument.Key, value,
                    isArray && schema.Value.TryGetProperty("items", out JsonElement items) ? items : schema.Value,
                    found);
            if (Text(schema.Value, "requires") is string needed && !request.Arguments.ContainsKey(needed))
                found.Add($"'{argument.Key}' needs '{needed}'");
        }
        foreach (KeyValuePair<string, JsonElement> known in operation.Arguments)
            // An expanded reference may have lost its "optional": indexed options always are.
            if (!known.Value.TryGetProperty("opt", out _) && !known.Key.Contains("[n]")
                && !request.Arguments.ContainsKey(known.Key) && !IsDeviceOption(known.Key))
                found.Add($"argument '{known.Key}' is missing");
        return found;
    }

    private static bool IsDeviceOption(string name) =>
        name is "agent" or "efidisk0" or "machine" or "tpmstate0" or "vga";

    private static JsonElement? Lookup(Dictionary<string, JsonElement> arguments, string name)
    {
        if (arguments.TryGetValue(name, out JsonElement exact)) return exact;
        return arguments.TryGetValue(Regex.Replace(name, @"\d+$", "[n]"), out JsonElement indexed)
            && name.Any(char.IsDigit)
            ? indexed
            : null;
    }

    private void CheckValue(string name, string value, JsonElement schema, List<string> found)
    {
        string? type = Text(schema, "type");
        if (type == "boolean" && value is not ("0" or "1")) found.Add($"'{name}' = '{value}' is no Boolean");
        if (type is "integer"
            && !long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
            found.Add($"'{name}' = '{value}' is no integer");
        if (type is "integer" or "number")
        {
            if (!double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number))
                found.Add($"'{name}' = '{value}' is no number");
            if (schema.TryGetProperty("min", out JsonElement min) && number < min.GetDouble())
                found.Add($"'{name}' = {value} is below {min}");
            if (schema.TryGetProperty("max", out JsonElement max) && number > max.GetDouble())
                found.Add($"'{name}' = {value} is above {max}");
        }
        if (schema.TryGetProperty("enum", out JsonElement allowed)
            && allowed.EnumerateArray().All(a => a.ToString() != value))
            found.Add($"'{name}' = '{value}' is none of {allowed}");
        if (schema.TryGetProperty("maxLen", out JsonElement longest) && value.Length > longest.GetInt32())
            found.Add($"'{name}' is longer than {longest}");
        if (schema.TryGetProperty("minLen", out JsonElement shortest) && value.Length < shortest.GetInt32())
            found.Add($"'{name}' is shorter than {shortest}");
        if (Text(schema, "pat") is string pattern && !Regex.IsMatch(value, "^(?:" + Translate(pattern) + ")$"))
            found.Add($"'{name}' = '{value}' does not match {pattern}");
        if (!schema.TryGetProperty("fmt", out JsonElement format)) return;
        while (format.ValueKind == JsonValueKind.Object && format.TryGetProperty("$", out JsonElement reference))
            format = table.Definitions.GetProperty(reference.GetString()!);
        if (format.ValueKind == JsonValueKind.String)
        {
            if (s_formats.TryGetValue(format.GetString()!, out string? shape)
                && !Regex.IsMatch(value, "^(?:" + shape + ")$"))
                found.Add($"'{name}' = '{value}' is no {format}");
        }
        else if (format.ValueKind == JsonValueKind.Object)
        {
            CheckProperties(name, value, format, found);
        }
    }

    private void CheckProperties(string name, string value, JsonElement format, List<string> found)
    {
        bool first = true;
        foreach (string item in value.Split(','))
        {
            int equals = item.IndexOf('=');
            if (equals < 0)
            {
                if (!first
                    || !format.EnumerateObject()
                        .Any(p => p.Value.ValueKind == JsonValueKind.Object
                            && p.Value.TryGetProperty("default_key", out _)))
                    found.Add($"'{name}': '{item}' has no key");
                first = false;
                continue;
            }
            first = false;
            string key = item[..equals];
            if (!format.TryGetProperty(key, out JsonElement schema))
            {
                found.Add($"'{name}' has no key '{key}'");
                continue;
            }
            if (schema.TryGetProperty("alias", out JsonElement alias))
            {
                if (format.TryGetProperty(alias.GetString()!, out JsonElement other)) schema = other;
                else continue;
            }
            CheckValue($"{name}.{key}", item[(equals + 1)..], schema, found);
        }
    }

    private static string? Text(JsonElement schema, string name) =>
        schema.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    /// <summary>Patterns are written for Perl and for Rust.</summary>
    private static string Translate(string pattern) =>
        pattern.Trim('/').Replace("(?^:", "(?:").Replace("(?P<", "(?<").Replace("[[:^cntrl:]]", @"[^\x00-\x1f\x7f]")
            .Replace("[:cntrl:]", @"\x00-\x1f\x7f");
}
