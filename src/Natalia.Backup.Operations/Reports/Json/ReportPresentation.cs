namespace Natalia.Backup.Operations.Reports.Json;

/// <summary>The file for people that belongs to a signed report.</summary>
/// <param name="FileName">Its name, without a folder: it lies beside the JSON.</param>
/// <param name="Format">What it is.</param>
/// <param name="Sha256">The SHA-256 of its bytes, 64 lowercase hexadecimal digits.</param>
internal sealed record ReportPresentation(string FileName, string Format, string Sha256);
