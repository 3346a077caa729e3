namespace Natalia.Backup.Hypervisors.HyperV.Cim;

/// <summary>Writes WQL.</summary>
internal static class Wql
{
    /// <summary>A text as a literal: the ids of Hyper-V hold backslashes, and names hold anything.</summary>
    internal static string Literal(string text) =>
        "'" + text.Replace(@"\", @"\\").Replace("'", @"\'") + "'";

    /// <summary>All objects of a class.</summary>
    internal static string All(string className) => $"SELECT * FROM {className}";

    /// <summary>The objects of a class of which a text property has a value.</summary>
    internal static string Where(string className, string property, string value) =>
        $"SELECT * FROM {className} WHERE {property} = {Literal(value)}";

    /// <summary>The objects of a class of which two properties have values; numbers may be written as texts.</summary>
    internal static string Where(string className, string property, string value, string other, string otherValue) =>
        $"{Where(className, property, value)} AND {other} = {Literal(otherValue)}";
}
