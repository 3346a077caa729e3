using System.Text.Json;

namespace Natalia.Backup.HyperVSimulator;

/// <summary>What Microsoft's documentation says that there is: classes, properties, methods, return codes.</summary>
internal static class SimContract
{
    private static readonly JsonElement s_classes = Load();

    internal static IEnumerable<string> ClassNames => s_classes.EnumerateObject().Select(c => c.Name);

    internal static bool HasClass(string name) => s_classes.TryGetProperty(name, out _);

    /// <summary>Whether a class is another one, or is derived from it directly.</summary>
    internal static bool Is(string className, string other) =>
        className == other || s_classes.GetProperty(className).GetProperty("base").GetString() == other;

    /// <summary>
    /// The keys of the class of the DMTF that a class comes from, in their order; null where the class has a single
    /// one of its own.
    /// </summary>
    internal static IReadOnlyList<string>? KeysOf(string className) =>
        (s_classes.GetProperty(className).TryGetProperty("base", out JsonElement from) ? from.GetString() : null) switch
        {
            "CIM_ComputerSystem" => ["CreationClassName", "Name"],
            "CIM_Service" or "CIM_VirtualSystemManagementService" or "CIM_VirtualSystemSnapshotService" =>
                ["SystemCreationClassName", "SystemName", "CreationClassName", "Name"],
            "CIM_LogicalDevice" or "CIM_EthernetPort" =>
                ["SystemCreationClassName", "SystemName", "CreationClassName", "DeviceID"],
            _ => null,
        };

    /// <summary>The type of a property as CIM writes it; null when there is no such property.</summary>
    internal static string? TypeOf(string className, string property) =>
        s_classes.GetProperty(className).GetProperty("props").TryGetProperty(property, out JsonElement type)
            ? type.GetString() : null;

    internal static IEnumerable<string> MethodsOf(string className) =>
        s_classes.GetProperty(className).TryGetProperty("methods", out JsonElement methods)
            ? methods.EnumerateObject().Select(m => m.Name) : [];

    /// <summary>The parameters of a method: name, direction, type; null when there is no such method.</summary>
    internal static IReadOnlyList<(string Name, string Direction, string Type)>? ParametersOf(string className,
        string method) =>
        Method(className, method) is JsonElement found
            ? [.. found.GetProperty("params").EnumerateArray()
                .Select(p => (p[0].GetString()!, p[1].GetString()!, p[2].GetString()!))]
            : null;

    /// <summary>The codes that a method names, and what they mean; ranges are left out.</summary>
    internal static IReadOnlyDictionary<long, string> CodesOf(string className, string method) =>
        Method(className, method)!.Value.GetProperty("returns").EnumerateObject()
            .Where(c => long.TryParse(c.Name, out _)).ToDictionary(c => long.Parse(c.Name), c => c.Value.GetString()!);

    internal static bool AllowsVendorCodes(string className, string method) =>
        Method(className, method)!.Value.GetProperty("returns").EnumerateObject()
            .Any(c => c.Name.StartsWith("32768", StringComparison.Ordinal) && c.Name.EndsWith("65535",
                StringComparison.Ordinal));

    /// <summary>The CIM type of a value; references of any class are <c>REF</c>.</summary>
    internal static string TypeOf(Type type, bool isReference) =>
        isReference ? type.IsArray ? "REF[]" : "REF"
        : type.IsArray ? TypeOf(type.GetElementType()!, false) + "[]"
        : type == typeof(string) ? "string"
        : type == typeof(bool) ? "boolean"
        : type == typeof(byte) ? "uint8"
        : type == typeof(ushort) ? "uint16"
        : type == typeof(uint) ? "uint32"
        : type == typeof(ulong) ? "uint64"
        : type == typeof(DateTime) || type == typeof(TimeSpan) ? "datetime"
        : type.Name;

    private static JsonElement? Method(string className, string method) =>
        s_classes.TryGetProperty(className, out JsonElement found)
        && found.TryGetProperty("methods", out JsonElement methods)
        && methods.TryGetProperty(method, out JsonElement one) ? one : null;

    private static JsonElement Load()
    {
        using Stream stream = typeof(SimContract).Assembly.GetManifestResourceStream("hyperv-contract.json")!;
        return JsonDocument.Parse(stream).RootElement.GetProperty("classes").Clone();
    }
}
